//! Which locales this system has: text models name one for their case folding.
#![expect(
    unsafe_code,
    reason = "newlocale is a C function; std has no equivalent"
)]

use std::ffi::CString;

/// Whether ONNX Runtime can open the locale `name`, which it does as `std::locale(name)`.
#[cfg(unix)]
pub(crate) fn has(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: `name` is NUL-terminated and outlives the call; a null base asks for a new locale
    // (POSIX newlocale). A locale that is returned is freed once and not used in between.
    unsafe {
        let locale = libc::newlocale(libc::LC_ALL_MASK, name.as_ptr(), std::ptr::null_mut());
        if locale.is_null() {
            return false;
        }
        libc::freelocale(locale);
    }
    true
}

/// Windows has all its locales.
#[cfg(not(unix))]
pub(crate) fn has(name: &str) -> bool {
    CString::new(name).is_ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_c_locale_is_everywhere_and_a_made_up_one_is_nowhere() {
        for (name, there) in [("C", true), ("xx_YY.nothing", false), ("a\0b", false)] {
            assert_eq!(has(name), there, "{name:?}");
        }
    }
}
