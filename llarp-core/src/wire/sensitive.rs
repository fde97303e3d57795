//! A value that no log may show.

use core::fmt;

/// An address, an IP or a client's choice of relay: shown by neither `{:?}` nor `{}`, so that it
/// gets into no log or error by accident. Whoever means to use it says [`Sensitive::expose`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one use that needs it.
    #[must_use]
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(redacted)")
    }
}

impl<T> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    #[test]
    fn neither_form_shows_the_value() {
        let address = Sensitive::new(Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(
            format!("{address} {address:?}"),
            "(redacted) Sensitive(redacted)"
        );
        assert_eq!(address.expose().octets()[3], 7);
    }
}
