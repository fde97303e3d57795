//! One search: values come in from whoever claims to keep them, and the newest valid one counts.
//! Pure.

use bytes::Bytes;
use llarp_core::wire::limits::{DHT_ENOUGH, DHT_VALUE_MAX};

use crate::names::Key;
use crate::rules::{Invalid, Order, Rules};

/// What a search has heard so far.
pub(crate) struct Lookup {
    key: Key,
    /// Each value once, with its verdict: judging costs a signature.
    heard: Vec<(Bytes, Result<Order, Invalid>)>,
    valid: usize,
}

impl Lookup {
    pub(crate) const fn new(key: Key) -> Self {
        Self {
            key,
            heard: Vec::new(),
            valid: 0,
        }
    }

    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    /// A relay has answered. The value, if it is newer than all that were heard before.
    ///
    /// # Errors
    /// Why the value is none.
    pub(crate) fn handle(
        &mut self,
        rules: &dyn Rules,
        value: Vec<u8>,
        unix: u64,
    ) -> Result<Option<Bytes>, Invalid> {
        if value.len() > DHT_VALUE_MAX {
            return Err(Invalid::Forged);
        }
        if let Some((_, verdict)) = self.heard.iter().find(|(heard, _)| *heard == value) {
            verdict.map(|_| self.valid += 1)?;
            return Ok(None);
        }
        let judged = rules.judge(&self.key, &value, unix);
        let verdict = judged.and_then(|judged| match judged.expires > unix {
            true => Ok(judged.order),
            false => Err(Invalid::NotNow),
        });
        let newest = self.newest();
        let value = Bytes::from(value);
        self.heard.push((value.clone(), verdict));
        let order = verdict?;
        self.valid += 1;
        Ok((newest < Some(order)).then_some(value))
    }

    /// Whether nobody need be waited for any more.
    pub(crate) const fn is_enough(&self) -> bool {
        self.valid >= DHT_ENOUGH
    }

    fn newest(&self) -> Option<Order> {
        let orders = self.heard.iter().filter_map(|(_, verdict)| verdict.ok());
        orders.max()
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::rules::Judged;

    thread_local! {
        static JUDGED: Cell<usize> = const { Cell::new(0) };
    }

    /// A value is its sequence and its expiry; 0 is forged.
    struct Numbers;

    impl Rules for Numbers {
        fn judge(&self, _: &Key, value: &[u8], _: u64) -> Result<Judged, Invalid> {
            JUDGED.set(JUDGED.get() + 1);
            match value {
                [sequence, expires] if *sequence > 0 => Ok(Judged {
                    order: Order {
                        sequence: u64::from(*sequence),
                        tie: [0; 32],
                    },
                    expires: u64::from(*expires),
                    owner: [0; 32],
                }),
                _ => Err(Invalid::Forged),
            }
        }
    }

    fn hear(lookup: &mut Lookup, sequence: u8) -> Result<Option<Bytes>, Invalid> {
        lookup.handle(&Numbers, vec![sequence, 10], 9)
    }

    #[test]
    fn only_what_is_newer_comes_out() {
        let mut lookup = Lookup::new([0; 32]);
        assert_eq!(hear(&mut lookup, 2), Ok(Some(vec![2, 10].into())));
        assert_eq!(hear(&mut lookup, 1), Ok(None));
        assert_eq!(hear(&mut lookup, 3), Ok(Some(vec![3, 10].into())));
        assert_eq!(hear(&mut lookup, 2), Ok(None));
    }

    #[test]
    fn forged_late_and_oversized_values_do_not_count() {
        let mut lookup = Lookup::new([0; 32]);
        for _ in 0..9 {
            assert_eq!(hear(&mut lookup, 0), Err(Invalid::Forged));
            let late = lookup.handle(&Numbers, vec![5, 9], 9);
            assert_eq!(late, Err(Invalid::NotNow));
            let large = lookup.handle(&Numbers, vec![1; DHT_VALUE_MAX + 1], 9);
            assert_eq!(large, Err(Invalid::Forged));
        }
        assert!(!lookup.is_enough());
        assert_eq!(hear(&mut lookup, 1), Ok(Some(vec![1, 10].into())));
    }

    #[test]
    fn five_valid_answers_are_enough_and_one_value_is_judged_once() {
        JUDGED.set(0);
        let mut lookup = Lookup::new([0; 32]);
        for heard in 1..=DHT_ENOUGH {
            assert!(!lookup.is_enough());
            let new = hear(&mut lookup, 4).unwrap();
            assert_eq!(new.is_some(), heard == 1);
        }
        assert!(lookup.is_enough());
        assert_eq!(JUDGED.get(), 1);
    }
}
