//! Device slots: each device of an identity publishes in one of its own.

use core::fmt;

use super::bytes::too_large;
use crate::wire::WireError;
use crate::wire::limits::DEVICE_SLOTS;

/// The place of one device of an identity, 0 to 15. Two devices never overwrite each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceSlot(u8);

impl DeviceSlot {
    /// Where an identity's first device publishes, and where a caller looks first.
    pub const FIRST: Self = Self(0);

    /// The slot of this number.
    ///
    /// # Errors
    /// If there are not so many: `device slot`.
    pub const fn new(number: u8) -> Result<Self, WireError> {
        if number < DEVICE_SLOTS {
            return Ok(Self(number));
        }
        Err(too_large(
            "device slot",
            DEVICE_SLOTS as usize - 1,
            number as usize,
        ))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// All slots, from the first on.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..DEVICE_SLOTS).map(Self)
    }
}

impl fmt::Display for DeviceSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

/// Which slots an identity's devices use, as one of them knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DeviceSlots(pub u16);

impl DeviceSlots {
    /// These, and `slot`.
    #[must_use]
    pub const fn with(self, slot: DeviceSlot) -> Self {
        Self(self.0 | 1 << slot.0)
    }

    /// Whether `slot` is among them.
    #[must_use]
    pub const fn has(self, slot: DeviceSlot) -> bool {
        self.0 & 1 << slot.0 != 0
    }

    /// Each of them, ascending.
    pub fn iter(self) -> impl Iterator<Item = DeviceSlot> {
        DeviceSlot::all().filter(move |slot| self.has(*slot))
    }
}

impl FromIterator<DeviceSlot> for DeviceSlots {
    fn from_iter<I: IntoIterator<Item = DeviceSlot>>(slots: I) -> Self {
        slots.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_slots_and_no_more() {
        assert_eq!(DeviceSlot::new(15).unwrap().number(), 15);
        assert_eq!(DeviceSlot::new(16).unwrap_err().field, "device slot");
        let slots: DeviceSlots = [3, 0, 15]
            .map(|n| DeviceSlot::new(n).unwrap())
            .into_iter()
            .collect();
        assert_eq!(slots, DeviceSlots(0x8009));
        let numbers: Vec<_> = slots.iter().map(DeviceSlot::number).collect();
        assert_eq!(numbers, [0, 3, 15]);
    }
}
