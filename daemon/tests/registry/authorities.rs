//! Keys on different machines: drafts and signatures travel, keys do not.

use std::os::unix::fs::PermissionsExt;

use crate::world::{DAY, NOON, World, block, registry, relay};

#[test]
fn two_of_three_machines_publish_what_everybody_can_verify() {
    let world = World::new();
    for number in 1..=18 {
        world.add(number).good();
    }
    let draft = world.draft(NOON).good();
    assert!(
        draft.contains("Next: 2 of the 3 authorities of charter 0 sign"),
        "{draft}"
    );
    let asked = world.sign("b", NOON, "").good();
    for line in [
        "You are asked to sign snapshot 0 of \"example\":",
        "2027-01-15 12:00 UTC to 2027-01-22 12:00 UTC: 7 days 0 h left",
        "18 joining:",
        "Type \"sign\" to sign it:",
    ] {
        assert!(asked.contains(line), "{line:?} is missing in:\n{asked}");
    }
    world.sign("c", NOON, "--yes").good();
    let said = world.put_together(&["b", "c"], NOON).good();
    assert!(said.contains("It names 18 relays."), "{said}");
    let said = world.fetch("node", "www", NOON).good();
    assert!(
        said.contains("Snapshot 0 of \"example\" is the newest now (before: none)"),
        "{said}"
    );
    let table = world
        .run(&format!(
            "show www/snapshot --network node/network --dangerous-now {NOON}"
        ))
        .good();
    for line in [
        "charter    0: 2 of 3 authorities must sign",
        "enough, and verified",
        "swarm 8000000000000000",
    ] {
        assert!(table.contains(line), "{line:?} is missing in:\n{table}");
    }
    assert!((1..=18).all(|number| table.contains(&relay(number).to_string())));
    let json = world.show_json("node/ledger", NOON);
    assert_eq!(json["number"], 0);
    assert_eq!(json["relays"].as_array().unwrap().len(), 18);
    assert_eq!(json["signers"].as_array().unwrap().len(), 2);
    assert_eq!(
        json["hash"],
        world.show_json("www/snapshot-0", NOON)["hash"]
    );
}

#[test]
fn the_next_day_travels_as_a_delta() {
    let world = World::with_relays(18);
    world.fetch("node", "www", NOON).good();
    world.add(19).good();
    world.run(&format!("remove --dir net {}", relay(4))).good();
    let listed = world.run("relays --dir net").good();
    assert!(
        listed.contains("18 relays; with the next snapshot 1 joining, 0 changing, 1 leaving."),
        "{listed}"
    );
    let next = NOON + DAY;
    let draft = world.draft(next).good();
    assert!(
        draft.contains(&format!("- {}", relay(4))) && draft.contains(&format!("+ {}", relay(19)))
    );
    world.publish(next);
    let said = world.fetch("node", "www", next).good();
    assert!(
        said.contains("(before: snapshot 0), by a delta of"),
        "{said}"
    );
    let known = world.fetch("node", "www", next).good();
    assert!(
        known.contains("Snapshot 1 is the newest already, and valid for 7 days"),
        "{known}"
    );
    let json = world.show_json("node/ledger", next);
    assert_eq!(json["relays"].as_array().unwrap().len(), 18);
    assert_eq!(
        world
            .run("relays --dir net")
            .good()
            .matches("joins")
            .count(),
        0
    );
    // Who was away takes the whole.
    let said = world.fetch("b", "www/snapshot", next).good();
    assert!(said.contains("is the newest already"), "{said}");
    let late = world.fetch("late", "www", next);
    late.says(&["late/network", "No such file"]);
}

#[test]
fn too_few_foreign_or_stale_signatures_publish_nothing() {
    let world = World::with_relays(3);
    let old = world.read("net/x.signed-b");
    let next = NOON + DAY;
    world.add(4).good();
    world.draft(next).good();
    world.sign("a", next, "--yes").good();
    world
        .put_together(&["a"], next)
        .says(&["signed by 1 authorities", "asks for 2", "more"]);
    world
        .put_together(&["a", "a"], next)
        .says(&["has signed twice"]);
    world.write("net/x.signed-b", &old);
    world
        .put_together(&["a", "b"], next)
        .says(&["over something else: have this draft signed"]);
    world.write("net/x.signed-b", &old[..50]);
    world
        .put_together(&["a", "b"], next)
        .says(&["no whole signature", "copy it again"]);
    assert_eq!(world.show_json("www/snapshot", next)["number"], 0);
    world.sign("b", next, "--yes").good();
    world.put_together(&["a", "b"], next).good();
    world
        .put_together(&["a", "b"], next)
        .says(&["net/draft: No such file"]);
}

#[test]
fn a_key_signs_one_draft_of_a_number() {
    let world = World::with_relays(3);
    let next = NOON + DAY;
    world.add(4).good();
    world.draft(next).good();
    world.sign("a", next, "--yes").good();
    world.sign("a", next, "--yes").good();
    world.add(5).good();
    world.draft(next).good();
    world
        .sign("a", next, "--yes")
        .says(&["another draft of snapshot 1", "--dangerous-second-draft"]);
    world
        .sign("a", next, "--yes --dangerous-second-draft")
        .good();
}

#[test]
fn who_is_asked_can_say_no() {
    let world = World::new();
    world.add(1).good();
    world.draft(NOON).good();
    std::fs::copy(world.path("net/draft"), world.path("a/draft")).unwrap();
    let line = format!(
        "sign a/draft --key a/key --network a/network --ledger a/ledger --out a/signature --dangerous-now {NOON}"
    );
    let ran = world.run_with(&line, "no\n");
    assert!(
        !ran.good && ran.error.contains("nothing was signed"),
        "{}",
        ran.error
    );
    assert!(!world.path("a/signature").exists() && !world.path("a/key.signed").exists());
}

#[test]
fn a_machine_signs_only_what_follows_from_what_it_knows() {
    let world = World::with_relays(10);
    let next = NOON + DAY;
    world.add(11).good();
    world.draft(next).good();
    std::fs::remove_file(world.path("c/ledger")).unwrap();
    world
        .sign("c", next, "--yes")
        .says(&["does not know snapshot 0", "`fetch` it first"]);
    world
        .sign("d", next, "--yes")
        .says(&["none of the 3 authorities' of charter 0"]);
    world
        .sign("a", next - 2 * DAY, "--yes")
        .says(&["the clock may be wrong"]);
    world.sign("a", next + 8 * DAY, "--yes").says(&["expired"]);
    // The last bytes of a draft are its last relay's swarm: one that nobody computed.
    let mut draft = world.read("net/draft");
    let honest = draft.clone();
    *draft.last_mut().unwrap() ^= 1;
    world.write("net/draft", &draft);
    world
        .sign("a", next, "--yes")
        .says(&["a swarm that does not follow from the rules"]);
    world.write("net/draft", &honest[..honest.len() - 1]);
    world
        .sign("a", next, "--yes")
        .says(&["no whole draft", "copy it again"]);
    world.write("net/draft", &honest);
    world.sign("a", next, "--yes").good();
    world.sign("b", next, "--yes").good();
    world.put_together(&["a", "b"], next).good();
    world.write("net/draft", &honest);
    world.fetch("a", "www", next).good();
    world
        .sign("a", next, "--yes")
        .says(&["snapshot 1 is published already"]);
}

#[test]
fn authorities_are_replaced_and_the_old_ones_count_no_more() {
    let world = World::with_relays(9);
    world.fetch("node", "www", NOON).good();
    let [b, c, d] = [1, 2, 3].map(|at| world.keys[at].clone());
    let said = world
        .run(&format!(
            "replace --dir net --threshold 2 --authority {b} --authority {c} --authority {d}"
        ))
        .good();
    assert!(
        said.contains(&format!("- {} leaves", world.keys[0])),
        "{said}"
    );
    assert!(said.contains(&format!("+ {d} is new")), "{said}");
    world
        .sign("d", NOON, "--yes")
        .says(&["none of the 3 authorities'"]);
    world.sign("a", NOON, "--yes").good();
    world.sign("b", NOON, "--yes").good();
    let said = world.put_together(&["a", "b"], NOON).good();
    assert!(said.contains("Charter 1 is signed."), "{said}");
    let next = NOON + DAY;
    world.draft(next).good();
    world
        .sign("a", next, "--yes")
        .says(&["none of the 3 authorities' of charter 1"]);
    world.sign("c", next, "--yes").good();
    world.sign("d", next, "--yes").good();
    world.put_together(&["c", "d"], next).good();
    let said = world.fetch("node", "www", next).good();
    assert!(said.contains("by a delta"), "{said}");
    let json = world.show_json("node/ledger", next);
    assert_eq!(json["charter"]["number"], 1);
    // The root's file still leads there.
    world.fetch("d", "www/snapshot", next).good();
    for machine in ["a", "b", "c"] {
        world.fetch(machine, "www", next).good();
    }
    world.add(20).good();
    world.publish_by(&["b", "d"], next + DAY);
    assert_eq!(world.show_json("www/snapshot", next)["number"], 2);
}

#[test]
fn a_newcomer_begins_with_the_charter_that_the_network_s_file_names() {
    let world = World::with_relays(3);
    let copy = |from: &str, to: &str| std::fs::copy(world.path(from), world.path(to)).unwrap();
    let folder = ["network", "ledger", "pending"];
    std::fs::create_dir(world.path("stolen")).unwrap();
    for file in folder {
        copy(&format!("net/{file}"), &format!("stolen/{file}"));
    }
    let (c, d) = (&world.keys[2], &world.keys[3]);
    let replace = |by: &[&String]| {
        let keys: Vec<_> = by.iter().map(|key| format!("--authority {key}")).collect();
        let line = format!("replace --dir net --threshold 1 {}", keys.join(" "));
        world.run(&line).good();
        for machine in ["a", "b"] {
            let yes = "--yes --dangerous-second-draft";
            world.sign(machine, NOON, yes).good();
        }
        world.put_together(&["a", "b"], NOON).good()
    };
    let publish = |machine: &str, now| {
        world.draft(now).good();
        let yes = "--yes --dangerous-second-draft";
        world.sign(machine, now, yes).good();
        world.put_together(&[machine], now).good()
    };
    replace(&[c, d]);
    let said = publish("c", NOON + DAY);
    let line = said.lines().find(|line| line.starts_with("  charter 1 "));
    let line = line
        .unwrap_or_else(|| {
            panic!(
                "no line in:
{said}"
            )
        })
        .trim();
    world.fetch("node", "www", NOON + DAY).good();
    let shown = format!("show node/ledger --network node/network --dangerous-now {NOON}");
    assert!(world.run(&shown).good().contains(line));
    let network = String::from_utf8(world.read("node/network")).unwrap();
    world.write(
        "new/network",
        format!(
            "{network}{line}
"
        )
        .as_bytes(),
    );
    world.fetch("new", "www", NOON + DAY).good();
    let known = format!("show new/ledger --network new/network --dangerous-now {NOON}");
    assert!(!world.run(&known).good().contains("Hand out"));

    // Whoever has the old keys makes himself an authority, and publishes more.
    for file in folder {
        copy(&format!("stolen/{file}"), &format!("net/{file}"));
    }
    copy("stolen/ledger", "d/ledger");
    replace(&[d]);
    publish("d", NOON + DAY);
    for machine in ["plain", "pinned"] {
        let from = if machine == "plain" { "node" } else { "new" };
        std::fs::create_dir(world.path(machine)).unwrap();
        copy(&format!("{from}/network"), &format!("{machine}/network"));
    }
    world.fetch("plain", "www", NOON + DAY).good();
    world
        .fetch("pinned", "www", NOON + DAY)
        .says(&["forged", "charter 1 is of another chain"]);
}

#[test]
fn changes_are_checked_and_can_be_taken_back() {
    let world = World::with_relays(3);
    let own = relay(2);
    let said = world.add(2).good();
    assert!(said.contains("is so already"), "{said}");
    let anew = format!("add --dir net {own} --height 2000 --block {}", block(99));
    let said = world.run(&anew).good();
    assert!(said.contains("registered anew"), "{said}");
    let said = world.add(2).good();
    assert!(said.contains("taken back"), "{said}");
    let said = world.run(&format!("remove --dir net {own}")).good();
    assert!(said.contains("leaves with the next snapshot"), "{said}");
    assert!(world.add(2).good().contains("taken back"));
    world
        .run(&format!("remove --dir net {}", relay(50)))
        .says(&["is not registered"]);
    let family = format!(
        "add --dir net {own} --height 1002 --block {} --family {}",
        block(2),
        block(7)
    );
    assert!(world.run(&family).good().contains("of another family"));
    world.write("net/pending", b"set nobody 1 2\n");
    world.add(5).says(&["net/pending", "line 1", "suffix"]);
}

#[test]
fn what_is_noted_behind_a_draft_waits_for_the_next() {
    let world = World::with_relays(3);
    let next = NOON + DAY;
    world.add(4).good();
    world.run(&format!("remove --dir net {}", relay(1))).good();
    world.draft(next).good();
    world.add(5).good();
    world.run(&format!("remove --dir net {}", relay(2))).good();
    world.sign("a", next, "--yes").good();
    world.sign("b", next, "--yes").good();
    world.put_together(&["a", "b"], next).good();
    let listed = world.run("relays --dir net").good();
    assert!(
        listed.contains("3 relays; with the next snapshot 1 joining, 0 changing, 1 leaving."),
        "{listed}"
    );
}

#[test]
fn two_drafts_of_a_day_have_one_beacon() {
    let world = World::with_relays(3);
    let beacon = world.show_json("www/snapshot", NOON)["beacon"].clone();
    world.run(&format!("remove --dir net {}", relay(1))).good();
    world.publish(NOON + 600);
    let again = world.show_json("www/snapshot", NOON);
    assert_eq!((&again["number"], &again["beacon"]), (&1.into(), &beacon));
    let other = format!(
        "draft --dir net --dangerous-now {} --beacon {}",
        NOON + 1200,
        block(1)
    );
    world.run(&other).says(&["has a beacon already"]);
    world.publish(NOON + DAY);
    assert_ne!(world.show_json("www/snapshot", NOON)["beacon"], beacon);
}

#[test]
fn who_joins_after_the_first_snapshot_of_a_day_waits_for_the_next_day() {
    let world = World::with_relays(3);
    world.add(4).good();
    let anew = format!(
        "add --dir net {} --height 2000 --block {}",
        relay(2),
        block(9)
    );
    world.run(&anew).good();
    world.run(&format!("remove --dir net {}", relay(1))).good();
    let said = world.draft(NOON + 600).good();
    let late = "2 relays not joining before tomorrow's snapshot: today's beacon is public";
    assert!(said.contains(late), "{said}");
    world.publish(NOON + 600);
    let heights = |now| {
        let shown = world.show_json("www/snapshot", now);
        let relays = shown["relays"].as_array().unwrap();
        let heights = relays.iter().map(|relay| relay["height"].as_u64().unwrap());
        let mut heights: Vec<_> = heights.collect();
        heights.sort_unstable();
        heights
    };
    assert_eq!(heights(NOON), [1002, 1003]);
    world.publish(NOON + DAY);
    assert_eq!(heights(NOON + DAY), [1003, 1004, 2000]);
}

#[test]
fn newcomers_store_introsets_from_the_third_day_on() {
    let world = World::with_relays(3);
    let shown = |now| {
        let json = world.show_json("www/snapshot", now);
        let of = |key: &str| json[key].clone();
        (of("storers_height"), of("beacon"), of("beacon_before"))
    };
    let (first, mut beacon, _) = shown(NOON);
    assert_eq!(first, 1003, "all of the first day");
    // Heights of the first day, then relay 4's of the second, then relay 5's of the third.
    let joins = [(1, Some(4)), (2, Some(5)), (3, None), (4, None)];
    for ((day, joins), height) in joins.into_iter().zip([1003, 1003, 1004, 1005]) {
        let now = NOON + day * DAY;
        joins.map(|number| world.add(number).good());
        world.publish(now);
        // A second one of the day must not hide what was two days ago.
        world.publish(now + 600);
        let (storers, next, before) = shown(now);
        assert_eq!((storers, before), (height.into(), beacon), "day {day}");
        beacon = next;
    }
    // A folder that was restored without its notes stays as it was, and learns anew.
    std::fs::remove_file(world.path("net/heights")).unwrap();
    world.add(6).good();
    world.publish(NOON + 5 * DAY);
    assert_eq!(shown(NOON).0, 1005);
    world.write("net/heights", b"soon");
    world
        .draft(NOON + 6 * DAY)
        .says(&["net/heights", "remove the file"]);
}

#[test]
fn sizes_of_swarms_are_said_once_and_stay() {
    let world = World::new();
    for number in 1..=12 {
        world.add(number).good();
    }
    let draft = format!("draft --dir net --dangerous-now {NOON} --target 5 --least 3");
    let said = world.run(&draft).good();
    assert!(
        said.contains("2 of 6 relays; made for 5, refilled below 3"),
        "{said}"
    );
    world.sign("a", NOON, "--yes").good();
    world.sign("b", NOON, "--yes").good();
    world.put_together(&["a", "b"], NOON).good();
    let said = world.draft(NOON + DAY).good();
    assert!(said.contains("made for 5, refilled below 3"), "{said}");
    world
        .run(&format!(
            "draft --dir net --dangerous-now {NOON} --target 3"
        ))
        .says(&["no draft", "least size"]);
}

#[test]
fn a_file_with_which_no_client_begins_is_warned_of() {
    let world = World::with_relays(1);
    let bootstrap = |number: u8| format!("--bootstrap {}@192.0.2.{number}:1090", relay(number));
    let create = |dir: &str, count: u8| {
        let bootstrap: Vec<_> = (1..=count).map(bootstrap).collect();
        let (key, bootstrap) = (&world.keys[0], bootstrap.join(" "));
        let line =
            format!("create --dir {dir} --network x --threshold 1 --authority {key} {bootstrap}");
        world.run(&line).good()
    };
    let warning = "WARNING: no client begins with this network's file: 3 bootstrap relays must agree, and it names 1. Add 2 lines";
    assert!(create("n1", 1).contains(warning));
    assert!(!create("n3", 3).contains("WARNING"));
    world.draft(NOON + DAY).good();
    assert!(
        world
            .sign("a", NOON + DAY, "--yes")
            .good()
            .contains(warning)
    );
}

#[test]
fn a_key_is_for_its_owner_only_and_never_overwritten() {
    let world = World::new();
    let mode = std::fs::metadata(world.path("a/key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = world.read("a/key");
    world
        .run("keygen --key a/key")
        .says(&["a/key is there already", "another name"]);
    assert_eq!(world.read("a/key"), before);
    world
        .run(&format!(
            "create --dir net --network other --threshold 1 --authority {}",
            world.keys[0]
        ))
        .says(&["net/network is there already"]);
    let keys = &world.keys;
    world
        .run(&format!(
            "create --dir n2 --network other --threshold 3 --authority {} --authority {}",
            keys[0], keys[1]
        ))
        .says(&["the threshold must be 1 to 2"]);
    world
        .run(&format!(
            "create --dir n2 --network Other --threshold 1 --authority {}",
            keys[0]
        ))
        .says(&["a network's name has"]);
}

#[test]
fn the_help_teaches_the_whole_way() {
    let help = registry(["--help"], "").good();
    for word in [
        "keygen",
        "create",
        "sign",
        "publish",
        "fetch",
        "--threshold 2",
    ] {
        assert!(help.contains(word), "{help}");
    }
}
