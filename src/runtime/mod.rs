//! The programs and services that agents run on, behind one trait.
