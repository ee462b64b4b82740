//! The models of a tier on one runtime: the first choice, and what is fallen back to.

use serde::{Deserialize, Serialize};

/// Models in the order in which they are tried; never empty. Written as a text where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct ModelChain {
    first: String,
    rest: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Many(Vec<String>),
}

impl ModelChain {
    /// A chain of these models; an empty one has a model without a name, which no service takes.
    #[must_use]
    pub fn new(models: Vec<String>) -> Self {
        let mut models = models.into_iter();
        Self { first: models.next().unwrap_or_default(), rest: models.collect() }
    }

    /// The models, the first choice first.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        [self.first.as_str()].into_iter().chain(self.rest.iter().map(String::as_str))
    }
}

impl From<Written> for ModelChain {
    fn from(written: Written) -> Self {
        match written {
            Written::One(model) => Self::new(vec![model]),
            Written::Many(models) => Self::new(models),
        }
    }
}

impl From<ModelChain> for Written {
    fn from(chain: ModelChain) -> Self {
        if chain.rest.is_empty() {
            return Self::One(chain.first);
        }
        Self::Many([vec![chain.first], chain.rest].concat())
    }
}
