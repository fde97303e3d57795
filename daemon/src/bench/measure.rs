//! Medians.

/// A figure over the repetitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Figure {
    /// `None` without values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self {
            median: median(&sorted)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }
}

pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle one of `sorted`, or what lies between the middle two. `None` without values.
fn median(sorted: &[f64]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let (low, high) = (sorted.get(last / 2)?, sorted.get(last.div_ceil(2))?);
    Some(f64::midpoint(*low, *high))
}

/// The value below which a share of `sorted` lies: the nearest one. `None` without values.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index below the length of a list of measurements"
    )]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_median_least_and_greatest() {
        let figure = Figure::of(&[3.0, 1.0, 9.0, 2.0, 4.0]).unwrap();
        assert_eq!((figure.median, figure.min, figure.max), (3.0, 1.0, 9.0));
        assert_eq!(Figure::of(&[]), None);
        let even = Figure::of(&[4.0, 1.0, 3.0, 10.0]).unwrap();
        assert_eq!(even.median, 3.5);
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
    }
}
