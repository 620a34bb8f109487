use super::*;
use crate::model::wire::{put_bytes, put_int};

/// A tensor of one field.
fn tensor(data_type: i32, number: u32, bytes: &[u8]) -> Tensor<'static> {
    let mut body = Vec::new();
    put_bytes(&mut body, number, bytes);
    Tensor {
        data_type,
        body: body.into(),
        ..Tensor::default()
    }
}

fn values(tensor: &Tensor<'_>, most: u64) -> Result<Vec<f64>, String> {
    let mut files = Files {
        folder: PathBuf::new(),
        maps: HashMap::new(),
    };
    let mut values = Vec::new();
    each_value(tensor, &mut files, most, |value| values.push(value))?;
    Ok(values)
}

#[test]
fn every_type_of_number_is_read_from_raw_bytes() {
    // As numpy and ml_dtypes have them.
    for (data_type, raw, expected) in [
        (
            1,
            &b"\x00\x00\x80\x3f\x00\x00\x00\xc0"[..],
            &[1.0, -2.0][..],
        ),
        (2, b"\x00\xff", &[0.0, 255.0]),
        (3, b"\x00\xff", &[0.0, -1.0]),
        (4, b"\xff\xff", &[65535.0]),
        (5, b"\xff\xff", &[-1.0]),
        (6, b"\xfe\xff\xff\xff", &[-2.0]),
        (7, b"\xfd\xff\xff\xff\xff\xff\xff\xff", &[-3.0]),
        (9, b"\x01\x00", &[1.0, 0.0]),
        (10, b"\x00\x3c\x00\xc1", &[1.0, -2.5]),
        (11, b"\x00\x00\x00\x00\x00\x00\xf0\x3f", &[1.0]),
        (12, b"\xff\xff\xff\xff", &[4_294_967_295.0]),
        (13, b"\x01\x00\x00\x00\x00\x00\x00\x00", &[1.0]),
        (16, b"\x80\x3f\x20\xc0", &[1.0, -2.5]),
        (17, b"\x38\x7e\x81\x80", &[1.0, 448.0, -0.001_953_125, -0.0]),
        (18, b"\x38\x7f\x81", &[0.5, 240.0, -0.000_976_562_5]),
        (19, b"\x38\x7b\x7c", &[0.5, 57344.0, f64::INFINITY]),
        (20, b"\x38\x7f\x81", &[0.25, 57344.0, -7.629_394_531_25e-6]),
        (21, b"\xf1", &[1.0, 15.0]),
        (22, b"\xf1", &[1.0, -1.0]),
        (23, b"\xf1", &[0.5, -6.0]),
        (24, b"\x7f\x81", &[1.0, 4.0]),
        (25, b"\xe4", &[0.0, 1.0, 2.0, 3.0]),
        (26, b"\xe4", &[0.0, 1.0, -2.0, -1.0]),
    ] {
        let read = values(&tensor(data_type, 9, raw), 100);
        assert_eq!(read.as_deref(), Ok(expected), "{data_type}");
    }
    for (data_type, raw) in [
        (17, b"\x7f"),
        (18, b"\x80"),
        (19, b"\x7d"),
        (20, b"\x80"),
        (24, b"\xff"),
    ] {
        let read = values(&tensor(data_type, 9, raw), 1).unwrap();
        assert!(read[0].is_nan(), "{data_type}");
    }
}

#[test]
fn typed_lists_are_read_as_onnx_writes_them() {
    for (data_type, number, packed, expected) in [
        (1, 4, &b"\x00\x00\x80\x3f"[..], &[1.0][..]),
        (11, 10, b"\x00\x00\x00\x00\x00\x00\xf0\x3f", &[1.0]),
        (
            7,
            7,
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05",
            &[-1.0, 5.0],
        ),
        (13, 11, b"\x05", &[5.0]),
        (6, 5, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &[-1.0]),
        (3, 5, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &[-1.0]),
        // float16 1.0 is 0x3c00, 15360 as an integer.
        (10, 5, b"\x80\x78", &[1.0]),
        (22, 5, b"\xf1\x01", &[1.0, -1.0]),
    ] {
        let read = values(&tensor(data_type, number, packed), 2);
        assert_eq!(read.as_deref(), Ok(expected), "{data_type}");
    }
}

#[test]
fn no_more_is_read_than_is_declared_and_what_cannot_be_read_is_said() {
    assert_eq!(
        values(&tensor(2, 9, b"\x01\x02\x03"), 2),
        Ok(vec![1.0, 2.0])
    );
    assert_eq!(
        values(&tensor(8, 6, b"text"), 1),
        Err("values of string are not looked at".to_owned())
    );
    let mut outside = tensor(1, 9, b"");
    outside.is_external = true;
    outside.external = vec![("location".into(), "w.bin".into())];
    assert_eq!(
        values(&outside, 1),
        Err("external data \"w.bin\" cannot be used".to_owned())
    );
    let mut body = Vec::new();
    put_int(&mut body, 4, 7);
    let damaged = Tensor {
        data_type: 1,
        body: body.into(),
        ..Tensor::default()
    };
    assert_eq!(values(&damaged, 1), Err("the tensor is damaged".to_owned()));
}
