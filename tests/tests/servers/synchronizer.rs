//! The synchronizer in this process, under the rights that it is shipped with, between a real control plane and real Git.

mod bed;
mod dangers;
mod day;
mod health;
mod kinds;
