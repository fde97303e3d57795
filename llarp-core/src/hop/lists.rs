//! Doubly linked lists over numbered nodes, which lie in one vector: constant work, and memory for
//! as many nodes as there ever were at once, not for as many as each list ever had.

/// No node.
const NONE: usize = usize::MAX;

/// One list: its two ends, and how many nodes it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    first: usize,
    last: usize,
    len: usize,
}

/// The neighbours of every node, in whichever list it is.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

#[derive(Debug, Clone, Copy)]
struct Link {
    before: usize,
    after: usize,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        len: 0,
    };

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn first(&self) -> Option<usize> {
        (self.len > 0).then_some(self.first)
    }

    pub(super) fn last(&self) -> Option<usize> {
        (self.len > 0).then_some(self.last)
    }
}

impl Links {
    /// The number of a new node, which is in no list.
    pub(super) fn new_node(&mut self) -> usize {
        self.0.push(Link {
            before: NONE,
            after: NONE,
        });
        self.0.len() - 1
    }

    /// Appends a node that is in no list.
    pub(super) fn append(&mut self, list: &mut List, node: usize) {
        let before = list.last;
        let Some(link) = self.0.get_mut(node) else {
            return;
        };
        let after = NONE;
        *link = Link { before, after };
        match self.0.get_mut(before) {
            Some(link) => link.after = node,
            None => list.first = node,
        }
        list.last = node;
        list.len += 1;
    }

    /// Takes a node out of the list that it is in.
    pub(super) fn take_out(&mut self, list: &mut List, node: usize) {
        let Some(Link { before, after }) = self.0.get(node).copied() else {
            return;
        };
        match self.0.get_mut(before) {
            Some(link) => link.after = after,
            None => list.first = after,
        }
        match self.0.get_mut(after) {
            Some(link) => link.before = before,
            None => list.last = before,
        }
        list.len = list.len.saturating_sub(1);
    }
}
