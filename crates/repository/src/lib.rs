//! Git: fetch, read a tree at a commit, commit, push.
