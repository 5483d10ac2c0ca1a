//! The subcommands of `helios universe`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Makes universes and prints their ids.
    Create {
        /// The state to begin with, a JSON object.
        state: Option<String>,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Makes universes that begin with what another one has, and prints their ids.
    Fork {
        /// The universe; main are the keys of the application.
        universe: String,
        /// What to begin with instead of its state.
        #[arg(long, value_name = "COMMIT")]
        at: Option<String>,
        /// A JSON Merge Patch for what they begin with.
        #[arg(long, value_name = "JSON")]
        changes: Option<String>,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Lists universes, in the order in which they were made.
    List,
    /// Prints the state of a universe, or a part of it.
    Get {
        /// The universe.
        universe: String,
        /// A JSON Pointer.
        #[arg(default_value = "")]
        pointer: String,
        /// The state of this commit instead.
        #[arg(long, value_name = "COMMIT")]
        at: Option<String>,
    },
    /// Changes the state by a JSON Merge Patch.
    Update {
        /// The universe.
        universe: String,
        /// The patch.
        updates: String,
        /// Takes it for the whole state.
        #[arg(long)]
        replace: bool,
    },
    /// Keeps the state as a commit; with --work, the files of a folder are taken over first.
    Commit {
        /// The universe.
        universe: String,
        /// Why.
        #[arg(short, long, default_value = "")]
        message: String,
        /// Makes the files of the universe those of this folder, without .git, .helios and links.
        #[arg(long, value_name = "FOLDER")]
        work: Option<PathBuf>,
        /// Gives the commit this name too.
        #[arg(long, value_name = "NAME")]
        tag: Option<String>,
    },
    /// Prints the last commits of a universe, the last first.
    Log {
        /// The universe.
        universe: String,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Prints what leads from one state to another. The exit code is 1 if they differ.
    Diff {
        /// A universe or a commit.
        from: String,
        /// Another.
        to: String,
        /// Prints what lies there too.
        #[arg(long)]
        values: bool,
    },
    /// Merges universes into one. Conflicts are printed, and the exit code is 1.
    Merge {
        /// The universe that changes; main are the keys of the application.
        target: String,
        /// Those whose states it gets.
        #[arg(required = true)]
        sources: Vec<String>,
        /// What is done where they differ.
        #[arg(long, value_enum, default_value_t = Strategy::ThreeWay)]
        strategy: Strategy,
        /// Whose state stays where both have changed the same.
        #[arg(long, value_enum)]
        on_conflict: Option<Side>,
        /// Why.
        #[arg(short, long)]
        message: Option<String>,
    },
    /// Makes the state of a universe that of a commit.
    Restore {
        /// The universe.
        universe: String,
        /// The commit.
        to: String,
    },
    /// Writes the files of a universe into a folder, and its JSON state as state.json.
    Materialize {
        /// The universe.
        universe: String,
        /// The state of this commit instead.
        #[arg(long, value_name = "COMMIT")]
        at: Option<String>,
        /// The folder. Made if it is missing.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// Deletes a universe with all that were forked from it.
    Delete {
        /// The universe.
        universe: String,
    },
    /// Takes away what nothing refers to any more. Needs the permission universe:admin.
    Gc {
        /// The last commits of each universe that stay; all if nothing is said.
        #[arg(long, value_name = "NUMBER")]
        commits: Option<usize>,
        /// Commits that are younger than this stay, such as 7d.
        #[arg(long, value_name = "SPAN")]
        younger_than: Option<String>,
    },
    /// Prints what all universes have done and hold.
    Stats,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Strategy {
    ThreeWay,
    Theirs,
    Ours,
    Union,
    Replace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Side {
    Ours,
    Theirs,
}
