//! The front door: one rule, prepared once, run by any plan.

use crate::chunk::{Chunkwise, Program};
use crate::data::{Cotangents, Gradients, Inputs, Outputs, Plan, Real};
use crate::token::TokenLoop;
use chunkwise_dsl::rule::Rule;
use std::fmt;

/// A limitation: the plan does not exist for this rule. The text says why, and what does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(pub String);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Unsupported {}

/// A rule prepared for evaluation.
#[derive(Clone, Debug)]
pub struct Evaluator {
    token: TokenLoop,
    chunkwise: Result<Chunkwise, Unsupported>,
}

impl Evaluator {
    /// Prepares both plans.
    pub fn new(rule: &Rule) -> Self {
        let chunkwise = match &rule.timeline {
            Ok(t) => match Program::refusal(t) {
                None => Ok(Chunkwise::new(t)),
                Some(why) => Err(Unsupported(why)),
            },
            Err(why) => Err(Unsupported(format!(
                "`{}` has the recurrent plan only: {}",
                rule.signature.name, why.message
            ))),
        };
        Evaluator { token: TokenLoop::new(rule), chunkwise }
    }

    /// Whether the rule has a chunkwise plan, and why not.
    pub fn chunkwise(&self) -> Result<(), &Unsupported> {
        self.chunkwise.as_ref().map(|_| ())
    }

    /// Runs one sequence and one head.
    ///
    /// # Errors
    /// The rule has no such plan.
    pub fn forward<R: Real>(&self, plan: Plan, inputs: &Inputs<R>) -> Result<Outputs<R>, Unsupported> {
        match plan {
            Plan::Recurrent => Ok(self.token.forward(inputs)),
            Plan::Chunkwise { chunk } => {
                Ok(self.chunkwise.as_ref().map_err(Clone::clone)?.forward(chunk, inputs))
            }
        }
    }

    /// Runs one sequence and one head forward and backward, from the cotangents of outputs and final states.
    ///
    /// # Errors
    /// The rule has no such plan.
    pub fn backward<R: Real>(
        &self,
        plan: Plan,
        inputs: &Inputs<R>,
        d: &Cotangents<R>,
    ) -> Result<(Outputs<R>, Gradients<R>), Unsupported> {
        match plan {
            Plan::Recurrent => Ok(self.token.backward(inputs, d)),
            Plan::Chunkwise { chunk } => {
                Ok(self.chunkwise.as_ref().map_err(Clone::clone)?.backward(chunk, inputs, d))
            }
        }
    }
}
