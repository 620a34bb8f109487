//! The statistics extension: what each model has done so far.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::serve::counters::Timed;
use crate::serve::hosted::Hosted;
use crate::serve::message::Reply;

/// The statistics of one model.
pub fn of_one<'s>(hosted: &Hosted) -> Reply<'s> {
    reply(vec![of(hosted)])
}

/// The statistics of all models.
pub fn of_all<'s>(models: &[Arc<Hosted>]) -> Reply<'s> {
    reply(models.iter().map(|hosted| of(hosted)).collect())
}

fn reply<'s>(stats: Vec<Value>) -> Reply<'s> {
    let stats = json!({ "model_stats": stats });
    Reply::json(200, stats.to_string().into_bytes())
}

fn of(hosted: &Hosted) -> Value {
    let counters = &hosted.counters;
    let nothing = json!({"count": 0, "ns": 0});
    json!({
        "name": hosted.name,
        "version": hosted.version,
        "last_inference": counters.last_ms(),
        "inference_count": counters.inferences(),
        "execution_count": counters.executions(),
        "inference_stats": {
            "success": timed(&counters.success),
            "fail": timed(&counters.fail),
            "queue": timed(&counters.queue),
            "compute_input": timed(&counters.input),
            "compute_infer": timed(&counters.infer),
            "compute_output": timed(&counters.output),
            // There is no cache; perf_analyzer wants to read that.
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    })
}

fn timed(timed: &Timed) -> Value {
    json!({"count": timed.count(), "ns": timed.ns()})
}
