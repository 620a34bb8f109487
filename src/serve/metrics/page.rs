//! Metrics on their way to text: families of series with labels, written by the prometheus crate.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};

use super::sharded::Held;

/// Names and values of labels.
pub(super) type Labels<'l> = &'l [(&'static str, &'l str)];

/// Everything that is told at one time.
#[derive(Default)]
pub(super) struct Page(Vec<MetricFamily>);

impl Page {
    /// A number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, labels: Labels<'_>, value: f64) {
        let mut counter = Counter::default();
        counter.set_value(value);
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        self.family(name, help, MetricType::COUNTER).push(metric);
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, labels: Labels<'_>, value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = labelled(labels);
        metric.set_gauge(gauge);
        self.family(name, help, MetricType::GAUGE).push(metric);
    }

    /// How often a number was between `bounds`, of which `unit` are one of the unit that is told.
    pub(super) fn histogram(
        &mut self,
        (name, help): (&str, &str),
        labels: Labels<'_>,
        (bounds, unit): (&[u64], f64),
        held: &Held,
    ) {
        let mut below = 0;
        let bucket = |(bound, count): (&u64, &u64)| {
            below += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound as f64 / unit);
            bucket.set_cumulative_count(below);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(bounds.iter().zip(&held.counts).map(bucket).collect());
        histogram.set_sample_count(held.count());
        histogram.set_sample_sum(held.sum as f64 / unit);
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.family(name, help, MetricType::HISTOGRAM).push(metric);
    }

    /// The series of a family, which is there once however many series it has.
    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> &mut Vec<Metric> {
        let at = self.0.iter().position(|family| family.name() == name);
        let at = at.unwrap_or(self.0.len());
        if at == self.0.len() {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            self.0.push(family);
        }
        // It has just been found or pushed.
        #[expect(
            clippy::indexing_slicing,
            reason = "`at` is below the length, see above"
        )]
        self.0[at].mut_metric()
    }

    /// The text of version 0.0.4.
    ///
    /// # Errors
    /// What the encoder refuses: a family without a name or a series, which there is not.
    pub(super) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.0, &mut out)?;
        Ok(out)
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut page = Page::default();
        let held = Held {
            sum: 2_500_000,
            counts: vec![1, 0, 2],
        };
        page.counter("a_total", "As", &[("x", "1")], 1.0);
        page.gauge("b", "Bs", &[], -2.0);
        page.counter("a_total", "As", &[("x", "q\"\\\n")], 3.0);
        let bounds = (&[100_000, 1_000_000][..], 1e9);
        page.histogram(("c_seconds", "Cs"), &[("x", "1")], bounds, &held);
        let text = page.text().expect("text");
        assert_eq!(
            String::from_utf8_lossy(&text),
            "# HELP a_total As\n# TYPE a_total counter\na_total{x=\"1\"} 1\n\
             a_total{x=\"q\\\"\\\\\\n\"} 3\n\
             # HELP b Bs\n# TYPE b gauge\nb -2\n\
             # HELP c_seconds Cs\n# TYPE c_seconds histogram\n\
             c_seconds_bucket{x=\"1\",le=\"0.0001\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"0.001\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"+Inf\"} 3\n\
             c_seconds_sum{x=\"1\"} 0.0025\nc_seconds_count{x=\"1\"} 3\n"
        );
    }
}
