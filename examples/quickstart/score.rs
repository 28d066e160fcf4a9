//! What a memory is asked at each word, and how often it is right.
//!
//! ```text
//! position   0     1    2        3     4     5
//! word       call  me   ishmael  call  it    me        at 3: `call` came 3 words ago, `me` was stored for it; the truth is `it`
//! ```
//!
//! A word that comes for the first time asks nothing. *Recall* is the share of questions whose answer is the successor
//! stored last for the word; *next word* is the share whose answer is the word that really follows.

/// What is asked at one position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Question {
    /// The position of the word asked about.
    pub(crate) position: usize,
    /// Words since it came last, at least 1.
    pub(crate) age: usize,
    /// The word that followed it then.
    pub(crate) stored: usize,
    /// The word that follows it now.
    pub(crate) next: usize,
}

/// All questions of a text, in order.
pub(crate) fn questions(words: &[usize]) -> Vec<Question> {
    let mut last_seen = vec![None; words.iter().max().map_or(0, |w| w + 1)];
    let mut questions = Vec::new();
    for (position, pair) in words.windows(2).enumerate() {
        if let Some(before) = last_seen[pair[0]].replace(position) {
            let stored = words[before + 1];
            questions.push(Question { position, age: position - before, stored, next: pair[1] });
        }
    }
    questions
}

/// How many answers of how many were right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Share {
    /// Right answers.
    pub(crate) right: usize,
    /// Questions.
    pub(crate) asked: usize,
}

impl Share {
    /// Right answers over questions; `None` without a question.
    pub(crate) fn value(self) -> Option<f64> {
        (self.asked > 0).then(|| self.right as f64 / self.asked as f64)
    }

    fn count(&mut self, right: bool) {
        self.asked += 1;
        self.right += usize::from(right);
    }
}

/// One memory's answers, one a position of the text, held against the questions.
pub(crate) struct Score<'a> {
    questions: &'a [Question],
    answers: &'a [usize],
}

impl<'a> Score<'a> {
    /// `answers[p]` is what the memory answered at position `p`.
    pub(crate) fn new(questions: &'a [Question], answers: &'a [usize]) -> Self {
        Score { questions, answers }
    }

    /// The share of questions answered by the successor stored last.
    pub(crate) fn recall(&self) -> Share {
        self.recall_where(|_| true)
    }

    /// The share of questions answered by the word that follows.
    pub(crate) fn next_word(&self) -> Share {
        let mut share = Share::default();
        self.questions.iter().for_each(|q| share.count(self.answers[q.position] == q.next));
        share
    }

    /// Recall in `parts` parts of the text of equal length.
    pub(crate) fn recall_along(&self, parts: usize) -> Vec<Share> {
        let length = self.answers.len();
        let part = |q: &Question| q.position * parts / length;
        (0..parts).map(|i| self.recall_where(|q| part(q) == i)).collect()
    }

    /// Recall of the questions about a word that came last between `youngest` and `oldest` words ago, both included.
    pub(crate) fn recall_by_age(&self, youngest: usize, oldest: usize) -> Share {
        self.recall_where(|q| (youngest..=oldest).contains(&q.age))
    }

    fn recall_where(&self, asked: impl Fn(&Question) -> bool) -> Share {
        let mut share = Share::default();
        for q in self.questions.iter().filter(|q| asked(q)) {
            share.count(self.answers[q.position] == q.stored);
        }
        share
    }
}

/// The next-word share of a table that keeps every pair, and so has a recall of 1: what remembering alone is worth.
pub(crate) fn lookup_table(questions: &[Question]) -> Share {
    let mut share = Share::default();
    questions.iter().for_each(|q| share.count(q.stored == q.next));
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_know_what_was_stored_last() {
        // call me ishmael call it me
        let asked = questions(&[0, 1, 2, 0, 3, 1]);
        assert_eq!(asked, [Question { position: 3, age: 3, stored: 1, next: 3 }]);
        let asked = questions(&[0, 0, 0, 1, 0]);
        assert_eq!(
            asked.iter().map(|q| (q.age, q.stored, q.next)).collect::<Vec<_>>(),
            [(1, 0, 0), (1, 0, 1)]
        );
    }

    #[test]
    fn shares_are_counted_by_place_and_by_age() {
        let words = [0, 1, 0, 1, 0, 2, 0, 3];
        let asked = questions(&words);
        assert_eq!(asked.len(), 4); // positions 2, 3, 4 and 6
        let answers = [9, 9, 1, 0, 2, 9, 2];
        let score = Score::new(&asked, &answers);
        assert_eq!(score.recall(), Share { right: 3, asked: 4 });
        assert_eq!(score.next_word(), Share { right: 3, asked: 4 });
        assert_eq!(score.recall_by_age(2, 2), Share { right: 3, asked: 4 });
        assert_eq!(score.recall_by_age(3, 9).value(), None);
        assert_eq!(score.recall_along(2), [Share { right: 2, asked: 2 }, Share { right: 1, asked: 2 }]);
        assert_eq!(lookup_table(&asked), Share { right: 2, asked: 4 });
    }
}
