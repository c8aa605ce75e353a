//! [`Walk`]: walks through all orders in which a script may choose, by playing it again and again.

/// The choices of one run of a script, and those of the runs to come.
///
/// Each run asks [`choose`](Self::choose) wherever it may go on in several ways; [`advance`](Self::advance) then turns the last choice that
/// has a way left, and what came before it is played again.
#[derive(Default)]
pub(super) struct Walk {
    path: Vec<Choice>,
    position: usize,
}

struct Choice {
    taken: usize,
    of: usize,
}

impl Walk {
    /// Which of so many ways to go; there is at least one.
    pub(super) fn choose(&mut self, of: usize) -> usize {
        // A store may make a request call once more or once less: what lies behind such a place is walked through anew.
        if self.path.get(self.position).is_some_and(|choice| choice.of != of) {
            self.path.truncate(self.position);
        }
        if self.position == self.path.len() {
            self.path.push(Choice { taken: 0, of });
        }
        self.position += 1;
        self.path[self.position - 1].taken
    }

    /// Goes back to the start for another run; false if all were done.
    pub(super) fn advance(&mut self) -> bool {
        self.path.truncate(self.position);
        self.position = 0;
        while let Some(mut choice) = self.path.pop() {
            choice.taken += 1;
            if choice.taken < choice.of {
                self.path.push(choice);
                return true;
            }
        }
        false
    }
}

/// Numbers that look random, the same ones in every run: SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of so many; there is at least one.
    pub(super) fn below(&mut self, many: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (mixed ^ (mixed >> 31)) % many as u64;
        usize::try_from(number).expect("it is smaller than a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_of_two_and_three_calls_is_walked_through_once() {
        let mut walk = Walk::default();
        let mut seen = Vec::new();
        loop {
            let mut left = [2, 3];
            let mut order = Vec::new();
            while left != [0, 0] {
                let able: Vec<usize> = (0..2).filter(|who| left[*who] > 0).collect();
                let who = able[walk.choose(able.len())];
                left[who] -= 1;
                order.push(who);
            }
            seen.push(order);
            if !walk.advance() {
                break;
            }
        }
        let many = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((many, seen.len()), (10, 10));
    }

    #[test]
    fn chance_reaches_every_number_and_says_the_same_twice() {
        let draw = || {
            let mut chance = Chance::new(7);
            (0..100).map(|_| chance.below(5)).collect::<Vec<_>>()
        };
        assert!((0..5).all(|number| draw().contains(&number)));
        assert_eq!(draw(), draw());
    }
}
