//! Strict, pure rendering of prompts and evaluation of bare expressions; which names a text reads; forked context.
