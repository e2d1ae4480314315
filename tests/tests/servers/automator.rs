//! The automator as a whole, with a real registry and a real Git server: an image is pushed, a commit appears.

mod bed;
mod killed;
mod publishing;
mod stories;
