//! A catalog made anew from packs and journal tells what the lost one told.
//! Knows nothing about SQL but for changing a fact behind the program's back.

mod life;
mod program;
mod property;
