//! A fuzz input as a script: a cursor that never fails, so that every input means something.

/// Reads fields off the front; zeros when the bytes are used up.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let head = self.up_to(N);
        out[..head.len()].copy_from_slice(head);
        out
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.u8()) % end
    }

    /// The next `len` bytes, or as many as there are.
    pub(crate) fn up_to(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.up_to(usize::MAX)
    }
}

/// `len` bytes that count up from `first`: data whose every place can be told apart.
pub(crate) fn counting(first: u8, len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().skip(first.into()).take(len).collect()
}

/// Changes `bytes` as the input says, up to `steps` times: sets, flips, cuts, grows.
pub(crate) fn mutate(bytes: &mut Vec<u8>, input: &mut Input<'_>, steps: usize) {
    for _ in 0..steps {
        if input.is_empty() {
            return;
        }
        let (what, place, value) = (input.u8(), usize::from(input.u16()), input.u8());
        let place = place.checked_rem(bytes.len()).unwrap_or_default();
        match what % 8 {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, value),
            2 => bytes.extend(counting(value, value.into())),
            3 if !bytes.is_empty() => bytes[place] = value,
            _ if !bytes.is_empty() => bytes[place] ^= value,
            _ => {}
        }
    }
}
