use std::fmt;

use zeroize::Zeroize;

/// A password or token. Prints as `<redacted>` in every build, and is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: only for the one place that puts it on the wire.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_is_dropped_is_wiped() {
        let memory = Rc::new(RefCell::new("sekrit".to_owned()));
        struct Seen(Rc<RefCell<String>>);
        impl Zeroize for Seen {
            fn zeroize(&mut self) {
                self.0.borrow_mut().zeroize();
            }
        }
        let secret = Secret::new(Seen(memory.clone()));
        assert_eq!(
            (format!("{secret} {secret:?}"), memory.borrow().as_str()),
            ("<redacted> <redacted>".to_owned(), "sekrit")
        );
        drop(secret);
        assert_eq!(*memory.borrow(), "");
    }
}
