//! Immediate dominators of a graph.
//!
//! A node dominates another if every way from the root to the other goes through it; the immediate dominator is the nearest.
//! Lengauer and Tarjan, "A Fast Algorithm for Finding Dominators in a Flowgraph" (1979), the simple version with path
//! compression: O(edges log nodes) whatever the graph, irreducible ones included. No recursion.

const NONE: u32 = u32::MAX;

/// The immediate dominator of each node; `None` for the root and for what it does not reach.
pub(super) fn immediate(successors: &[Vec<u32>], root: u32) -> Vec<Option<u32>> {
    let tree = Tree::new(successors, root);
    let dominators = Search::new(&tree).dominators(&tree);
    let mut result = vec![None; successors.len()];
    for number in 1..tree.nodes.len() {
        result[tree.nodes[number] as usize] = Some(tree.nodes[dominators[number] as usize]);
    }
    result
}

/// A depth-first spanning tree. Nodes are numbered in the order of the first visit, the root 0.
struct Tree {
    /// The node of each number.
    nodes: Vec<u32>,
    /// By number, the parent's number.
    parents: Vec<u32>,
    /// By number, the numbers of the nodes with an edge to it.
    predecessors: Vec<Vec<u32>>,
}

impl Tree {
    fn new(successors: &[Vec<u32>], root: u32) -> Tree {
        let mut numbers = vec![NONE; successors.len()];
        let mut tree = Tree { nodes: vec![root], parents: vec![0], predecessors: vec![Vec::new()] };
        numbers[root as usize] = 0;
        // The nodes from the root to the one at hand, and how many of its edges were followed.
        let mut path = vec![(root, 0usize)];
        while let Some((node, followed)) = path.last_mut() {
            let Some(after) = successors[*node as usize].get(*followed) else {
                path.pop();
                continue;
            };
            *followed += 1;
            let from = numbers[*node as usize];
            if numbers[*after as usize] == NONE {
                numbers[*after as usize] = tree.nodes.len() as u32;
                tree.nodes.push(*after);
                tree.parents.push(from);
                tree.predecessors.push(Vec::new());
                path.push((*after, 0));
            }
            tree.predecessors[numbers[*after as usize] as usize].push(from);
        }
        tree
    }
}

/// The forest of the algorithm; all by number.
struct Search {
    /// The smallest number from which a way leads to the node over larger numbers only.
    semi: Vec<u32>,
    /// The parent in the forest that grows from the last node to the root, shortened by compression.
    ancestor: Vec<u32>,
    /// The node of smallest `semi` on the shortened way.
    label: Vec<u32>,
    /// Nodes on the way up, kept to spare allocations.
    way: Vec<u32>,
}

impl Search {
    fn new(tree: &Tree) -> Search {
        let numbers: Vec<u32> = (0..tree.nodes.len() as u32).collect();
        Search { semi: numbers.clone(), ancestor: vec![NONE; numbers.len()], label: numbers, way: Vec::new() }
    }

    fn dominators(mut self, tree: &Tree) -> Vec<u32> {
        let count = tree.nodes.len();
        let mut dominators = vec![0u32; count];
        // By semi-dominator, the nodes whose dominator waits for it to join the forest.
        let mut waiting: Vec<Vec<u32>> = vec![Vec::new(); count];
        for node in (1..count as u32).rev() {
            for before in &tree.predecessors[node as usize] {
                let best = self.best(*before);
                self.semi[node as usize] = self.semi[node as usize].min(self.semi[best as usize]);
            }
            waiting[self.semi[node as usize] as usize].push(node);
            let parent = tree.parents[node as usize];
            self.ancestor[node as usize] = parent;
            for settled in std::mem::take(&mut waiting[parent as usize]) {
                let best = self.best(settled);
                let is_lower = self.semi[best as usize] < self.semi[settled as usize];
                dominators[settled as usize] = if is_lower { best } else { parent };
            }
        }
        for node in 1..count {
            if dominators[node] != self.semi[node] {
                dominators[node] = dominators[dominators[node] as usize];
            }
        }
        dominators
    }

    /// The node of smallest `semi` from a node up to the root of its tree, which does not count.
    fn best(&mut self, node: u32) -> u32 {
        if self.ancestor[node as usize] == NONE {
            return node;
        }
        let mut at = node;
        while self.ancestor[self.ancestor[at as usize] as usize] != NONE {
            self.way.push(at);
            at = self.ancestor[at as usize];
        }
        while let Some(below) = self.way.pop() {
            let above = self.ancestor[below as usize];
            let (mine, theirs) = (self.label[below as usize], self.label[above as usize]);
            if self.semi[theirs as usize] < self.semi[mine as usize] {
                self.label[below as usize] = theirs;
            }
            self.ancestor[below as usize] = self.ancestor[above as usize];
        }
        self.label[node as usize]
    }
}
