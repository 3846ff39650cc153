use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::*;

const PLANNED: u64 = 1000;

fn life(role: Role, number: u32, account: Account) -> Life {
    let mut life = Life::new(role, number, 1, account.first);
    let report = Report {
        role: role as u32,
        life: number,
        account,
        done: 1,
        ..Report::default()
    };
    life.note(&Report {
        lagged: account.lost,
        ..report
    });
    life.ended = Some(ExitStatus::from_raw(0));
    life
}

fn taken(first: u64, next: u64) -> Account {
    Account {
        first,
        next,
        taken: next - first,
        ..Account::default()
    }
}

/// A run in which everything went as promised.
fn good() -> Lives {
    let lossy = Account {
        next: PLANNED,
        taken: 600,
        lost: 400,
        ..Account::default()
    };
    let mut killed = life(Role::Hedger, 1, taken(0, 400));
    killed.killed = true;
    killed.ended = Some(ExitStatus::from_raw(libc::SIGKILL));
    if let Some(report) = &mut killed.report {
        report.done = 0;
    }
    Lives(vec![
        life(Role::Feed, 1, taken(0, PLANNED)),
        life(Role::Momentum, 1, taken(0, PLANNED)),
        killed,
        life(Role::Charts, 1, lossy),
        life(Role::Monitor, 1, taken(0, PLANNED)),
        life(Role::Hedger, 2, taken(400, PLANNED)),
    ])
}

/// The words of the checks that failed.
fn failed(lives: &Lives) -> Vec<String> {
    let evidence = Evidence {
        lives,
        next: PLANNED,
        waited: 0,
        planned: PLANNED,
        retaken: Some(0),
    };
    let checks = evidence.checks().into_iter();
    checks
        .filter(|check| !check.holds)
        .map(|check| check.words)
        .collect()
}

/// Exactly one check fails once `spoil` has had its way with the last life of `role`; it is `which`.
#[track_caller]
fn fails(which: &str, role: Role, spoil: impl Fn(&mut Report)) {
    let mut lives = good();
    let life = lives.0.iter_mut().rfind(|life| life.role == role).unwrap();
    spoil(life.report.as_mut().unwrap());
    let failed = failed(&lives);
    assert!(
        failed.len() == 1 && failed[0].starts_with(which),
        "{failed:?}"
    );
}

#[test]
fn a_good_run_passes() {
    assert_eq!(failed(&good()), [""; 0]);
}

#[test]
fn one_message_missing_anywhere_is_seen() {
    for (which, role) in [("feed", Role::Feed), ("momentum", Role::Momentum)] {
        fails(which, role, |report| report.account.taken -= 1);
    }
    for (which, role) in [("hedger", Role::Hedger), ("charts", Role::Charts)] {
        fails(which, role, |report| report.account.taken -= 1);
    }
    fails("monitor", Role::Monitor, |report| report.account.next -= 1);
}

#[test]
fn a_damaged_disordered_or_miscounted_message_is_seen() {
    for (which, role) in [
        ("momentum", Role::Momentum),
        ("charts (lossy", Role::Charts),
    ] {
        fails(which, role, |report| report.account.damaged = 1);
        fails(which, role, |report| report.account.disordered = 1);
        fails(which, role, |report| report.account.miscounted = 1);
    }
}

#[test]
fn a_reliable_subscriber_may_not_lose_even_what_is_counted() {
    let lose = |report: &mut Report| {
        report.account.taken -= 1;
        report.account.lost += 1;
        report.lagged += 1;
    };
    fails("momentum", Role::Momentum, lose);
    fails("hedger", Role::Hedger, lose);
}

#[test]
fn the_librarys_own_count_must_agree() {
    fails("charts (lossy", Role::Charts, |report| report.lagged += 1);
    fails("monitor", Role::Monitor, |report| report.lagged += 1);
}

#[test]
fn a_gap_between_two_lives_is_seen() {
    fails("hedger", Role::Hedger, |report| {
        report.account.first += 1;
        report.account.taken -= 1;
    });
}

#[test]
fn a_slow_subscriber_that_loses_nothing_proves_nothing() {
    fails("charts: too slow", Role::Charts, |report| {
        report.account = taken(0, PLANNED);
        report.lagged = 0;
    });
}

#[test]
fn a_process_that_ended_badly_or_was_not_killed_is_seen() {
    let mut lives = good();
    lives.0[1].ended = Some(ExitStatus::from_raw(1 << 8));
    assert_eq!(failed(&lives).len(), 1);
    let mut lives = good();
    lives.0[2].ended = Some(ExitStatus::from_raw(0));
    assert_eq!(failed(&lives).len(), 1);
}

#[test]
fn a_report_out_of_order_is_seen() {
    let mut lives = good();
    lives.0[0].reports_disordered = 1;
    let failed = failed(&lives);
    assert!(
        failed.len() == 1 && failed[0].starts_with("reports"),
        "{failed:?}"
    );
}
