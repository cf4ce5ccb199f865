//! The tests are tested: with each fault that can be put in on purpose, one of them must fail, and for that reason.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use poplar::files::Mutant;

const NEW_IN_ORDER: &str = "write_order::a_fetch_into_a_new_archive_writes_in_order";
const SEAL_IN_ORDER: &str = "write_order::a_sealing_writes_in_order";
const TORN: &str = "crash::torn::a_torn_tail_is_cut_wherever_it_is_torn";
const KILLED: &str = "crash::kill::a_fetch_into_a_new_archive_killed_anywhere_loses_and_doubles_nothing";
const FAILED_SYNC: &str = "crash::fault::a_failed_sync_of_a_pack_ends_the_process";

/// The cheapest test that must fail, and what it must say.
const fn catcher(mutant: Mutant) -> (&'static str, &'static str) {
    match mutant {
        Mutant::PackUnsynced => (NEW_IN_ORDER, "the catalog was written before"),
        Mutant::PackNameUnsynced => (NEW_IN_ORDER, "before it and its name were durable"),
        Mutant::ReadBackLeftOut => (NEW_IN_ORDER, "was read back"),
        Mutant::TornFrameAccepted => (TORN, "torn.rs"),
        Mutant::SyncErrorIgnored => (FAILED_SYNC, "did not stop it"),
        Mutant::PublishUnsynced => (NEW_IN_ORDER, "was published before it was durable"),
        Mutant::PublishNameUnsynced => (NEW_IN_ORDER, "its folder not made durable at once"),
        Mutant::FolderNameUnsynced => (NEW_IN_ORDER, "were not durable"),
        Mutant::SynchronousNormal => (NEW_IN_ORDER, "was sent before the catalog had it durably"),
        Mutant::DeleBeforeReceipt | Mutant::DeletingUncommitted => {
            (NEW_IN_ORDER, "was sent before the decision was durable")
        }
        Mutant::DeleBeforeCheckpoint => (NEW_IN_ORDER, "was sent before a checkpoint that covers it was published"),
        Mutant::TileUnsynced | Mutant::CheckpointBeforeTiles => (NEW_IN_ORDER, "a checkpoint was published, and"),
        Mutant::OpenRemovedBeforeCommit => (SEAL_IN_ORDER, "was removed before the catalog knew"),
        Mutant::SealedNotReadBack => (SEAL_IN_ORDER, "was not read back"),
        Mutant::LogInMemory => (KILLED, "malformed"),
    }
}

/// One test of this very program.
fn run(test: &str, mutant: Option<Mutant>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env_remove("POPLAR_MUTANT");
    command.envs(mutant.map(|mutant| ("POPLAR_MUTANT", mutant.name())));
    let output = command.output().unwrap();
    assert!(text(&output).contains("running 1 test"), "there is no test {test}");
    output
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_mutant_is_caught() {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let (test, words) = catcher(mutant);
        let output = run(test, Some(mutant));
        if output.status.success() || !text(&output).contains(words) {
            survivors.push(format!("{}: {test} does not say {words:?}:\n{}", mutant.name(), text(&output)));
        }
    }
    assert!(survivors.is_empty(), "{} of {} live:\n{}", survivors.len(), Mutant::ALL.len(), survivors.join("\n"));
}

#[test]
fn without_a_mutant_the_same_tests_pass() {
    let tests: BTreeSet<&str> = Mutant::ALL.map(|mutant| catcher(mutant).0).into();
    for test in tests {
        let output = run(test, None);
        assert!(output.status.success() && !text(&output).contains("skipped:"), "{}", text(&output));
    }
}
