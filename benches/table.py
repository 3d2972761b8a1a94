#!/usr/bin/env python3
"""Writes BENCHMARKS.md from the figures that benches/run has collected.

A ratio is taken within each round and then the median of the rounds, so that
what changes on a machine from minute to minute changes both of its sides.
"""

import argparse
import json
import os
import platform
import subprocess
from datetime import datetime, timezone
from statistics import median

MIB = 1 << 20
BLOCK = 1_381_836


class Figures:
    """Rows by implementation, case, transport and metric, then by round."""

    def __init__(self, lines, whole):
        """`whole`: what is missing is told, because everything was to be measured."""
        self.rows, self.whole = {}, whole
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # half a line of a program that was stopped
            key = row["impl"], row["case"], row["transport"], row["metric"]
            self.rows.setdefault(key, {})[row.get("round", 1)] = row

    def rounds(self, impl, case, transport, metric="rate"):
        found = self.rows.get((impl, case, transport, metric))
        if found is None and impl == "limit":
            # A bare socket has no transport.
            if case.startswith("idle"):
                found = self.rows.get((impl, case, "v1", metric))
        return found or {}

    def value(self, *key, field="value"):
        values = [row[field] for row in self.rounds(*key).values() if field in row]
        return median(values) if values else None

    def with_unit(self, impl, case, transport, metric="rate"):
        value = self.value(impl, case, transport, metric)
        if value is None:
            return "not measured"
        unit = next(iter(self.rounds(impl, case, transport, metric).values()))["unit"]
        text = short(value) if metric == "rate" else plain(value)
        return f"{text} {unit}".replace("  ", " ")

    def ratio(self, case, transport, metric, other, mine="ours"):
        return self.quotient((mine, case, transport, metric), (other, case, transport, metric))

    def quotient(self, over, under, field="value"):
        """Of two figures that need not be of the same case."""
        over, under = self.rounds(*over), self.rounds(*under)
        both = [over[r][field] / under[r][field] for r in over if r in under and under[r][field]]
        return median(both) if both else None


class Goal:
    """A bound on one of the columns: its text, and whether it is reached."""

    def __init__(self, text, check):
        self.text, self.check = text, check


def of_limit(share):
    return Goal(f"≥ {share} of limit", lambda row: at_least(row["of_limit"], share))


def at_least(value, bound):
    return None if value is None else value >= bound


def at_most(value, bound):
    return None if value is None else value <= bound


def value_at_most(bound, text):
    return Goal(text, lambda row: at_most(row["value"], bound))


def both(first, second):
    def check(row):
        results = first.check(row), second.check(row)
        return None if None in results else all(results)

    return Goal(f"{first.text}, {second.text}", check)


def of_announcing():
    rate = Goal("≥ 6 M/s", lambda row: at_least(row["value"], 6e6))
    btcd = Goal("≥ 5 × btcd", lambda row: at_least(row["of_btcd"], 5))
    rate_only = Goal("≥ 6 M/s", rate.check)
    return {"v1": both(rate, btcd), "v2": rate_only}


def allocations_at_most(bound):
    return Goal(f"≤ {bound} allocations", lambda row: at_most(row["allocs"], bound))


def speed_rows():
    """Title, case and, for each transport, the goal."""
    both_ways = lambda goal: {"v1": goal, "v2": goal}
    rows = [
        ("opening, one after another", "opening/sequential", {"v1": of_limit(0.8), "v2": of_limit(0.75)}),
        ("opening, 64 at once", "opening/64-at-once", {"v1": of_limit(0.7), "v2": of_limit(0.75)}),
        ("ping round trips, listener, two workers", "ping", both_ways(of_limit(0.8))),
        ("the same, both ends on one thread", "ping/one-thread", both_ways(of_limit(0.8))),
        ("the same, each end on its thread", "ping/two-threads", both_ways(of_limit(0.8))),
        ("ping round trips, event stream", "ping/stream", both_ways(None)),
    ]
    names = {
        "inv": ("inv of one entry", 0.6),
        "tx": ("tx of 250 B", 0.6),
        "block": ("block of 1.38 MB", 0.83),
        "headers": ("headers(2000)", 0.8),
        "addr": ("addr(1000)", 0.8),
    }
    for name, (title, share) in names.items():
        rows.append((f"{title}, one way", f"flood/{name}", both_ways(of_limit(share))))
    ready_made = {"v1": of_limit(0.66), "v2": None}
    rows += [
        ("100,000 ready-made inv entries to 100 peers", "fanout/ready-made", ready_made),
        ("100,000 announcements to 100 peers, filter and trickle", "fanout/announce", of_announcing()),
        ("one block to 100 peers", "fanout/block", both_ways(None)),
    ]
    return rows


def receive_goals():
    """Case of the receive path and its goal, both for v1."""
    return {
        "receive/block": both(value_at_most(850_000, "≤ 0.85 ms"), allocations_at_most(2)),
        "receive/inv(50000)": value_at_most(1_100_000, "≤ 1.1 ms"),
        "receive/tx": value_at_most(300, "≤ 300 ns"),
    }


def short(value):
    """Three significant digits, with a unit prefix."""
    if value is None:
        return "–"
    for factor, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{prefix}"
    return f"{value:.3g}"


def plain(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(goal, row):
    if goal is None:
        return "–", "–"
    reached = goal.check(row)
    return goal.text, {True: "yes", False: "**no**", None: "not measured"}[reached]


def print_table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def print_speed(figures):
    print("## Speed, both ends in one process\n")
    head = "case|transport|ours|btcd|limit|× btcd|of limit|CPU µs/op: ours|btcd|limit|allocations/op: ours|btcd|goal|reached"
    rows = []
    for title, case, goals in speed_rows():
        for transport in ("v1", "v2"):
            ours = figures.value("ours", case, transport)
            if ours is None and not figures.whole:
                continue
            row = {
                "value": ours,
                "of_btcd": figures.ratio(case, transport, "rate", "btcd"),
                "of_limit": figures.ratio(case, transport, "rate", "limit"),
            }
            of = lambda impl, field: figures.value(impl, case, transport, field=field)
            rows.append([
                title, transport,
                figures.with_unit("ours", case, transport),
                short(figures.value("btcd", case, transport)),
                short(figures.value("limit", case, transport)),
                plain(row["of_btcd"]), plain(row["of_limit"]),
                plain(of("ours", "cpu_us_per_op")), plain(of("btcd", "cpu_us_per_op")),
                plain(of("limit", "cpu_us_per_op")),
                plain(of("ours", "allocs_per_op")), plain(of("btcd", "allocs_per_op")),
                *verdict(goals[transport], row),
            ])
    print_table(head.split("|"), rows)


def print_streams(figures):
    print("## Event stream beside the listener\n")
    print("The stream's rate as a share of the inline listener's.\n")
    rows = []
    for name in ("inv", "tx", "block", "headers", "addr"):
        for transport in ("v1", "v2"):
            stream = figures.rounds("ours", f"flood/{name}/stream", transport)
            inline = figures.rounds("ours", f"flood/{name}", transport)
            shares = [stream[r]["value"] / inline[r]["value"] for r in stream if r in inline]
            if not shares and not figures.whole:
                continue
            rate = figures.value("ours", f"flood/{name}/stream", transport)
            allocs = figures.value("ours", f"flood/{name}/stream", transport, field="allocs_per_op")
            cpu = figures.value("ours", f"flood/{name}/stream", transport, field="cpu_us_per_op")
            share = median(shares) if shares else None
            goal = Goal("≥ 0.5 of the listener", lambda row: at_least(row["share"], 0.5))
            rows.append([
                name, transport, f"{short(rate)}/s", plain(cpu), plain(allocs), plain(share),
                *verdict(goal, {"share": share}),
            ])
    head = "message|transport|stream|CPU µs/op|allocations/message|of listener|goal|reached"
    print_table(head.split("|"), rows)


def print_paths(figures):
    print("## Receive and send paths alone\n")
    print("Nanoseconds for one message, without a socket (allocations in brackets): frame, checksum")
    print("or cipher, validation; and the way back. btcd's and crate `bitcoin`'s build owned values.\n")
    goals = receive_goals()
    cases = dict.fromkeys(
        case for impl, case, _, metric in figures.rows
        if impl == "ours" and metric == "time" and case.startswith(("receive/", "send/"))
    )
    rows = []
    for case in sorted(cases, key=lambda case: (case.split("/")[0], list(cases).index(case))):
        def cell(impl, transport):
            time = figures.value(impl, case, transport, "time")
            allocs = figures.value(impl, case, transport, "time", field="allocs_per_op")
            return "–" if time is None else f"{plain(time)} ({plain(allocs)})"

        row = {
            "value": figures.value("ours", case, "v1", "time"),
            "allocs": figures.value("ours", case, "v1", "time", field="allocs_per_op"),
        }
        rows.append([
            case, cell("ours", "v1"), cell("ours", "v2"), cell("bitcoin-0.32", "v1"), cell("btcd", "v1"),
            *verdict(goals.get(case), row),
        ])
    head = ["path", "ours v1", "ours v2", "crate bitcoin 0.32", "btcd", "goal (v1)", "reached"]
    print_table(head, rows)


def print_idle(figures):
    print("## Idle peers, both ends in separate processes\n")
    print("Resident memory as the system counts it, a forced collection before btcd's. CPU is the")
    print("measured end's alone.\n")
    memory = {"v1": value_at_most(3, "≤ 3 kB"), "v2": value_at_most(4.5, "≤ 4.5 kB")}
    total = Goal(
        "16,000 held, ≤ 80 MB",
        lambda row: None if row["value"] is None else row["peers"] >= 16_000 and row["value"] <= 80,
    )
    still = value_at_most(0.02, "≤ 0.02 % of a core")
    pinging = Goal("≤ 1.5 × a bare echo", lambda row: at_most(row["of_limit"], 1.5))
    wanted = []
    for count in (1_000, 5_000, 16_000):
        for transport in ("v1", "v2"):
            goal = memory[transport] if count == 5_000 else None
            wanted.append((f"idle/{count}", transport, "memory", goal))
        for transport in ("v1", "v2"):
            if count == 16_000:
                wanted.append((f"idle/{count}", transport, "process memory", total))
            goal = still if count == 5_000 else None
            wanted.append((f"idle/{count}", transport, "cpu", goal))
    wanted += [("idle/5000-with-pings", transport, "cpu", pinging) for transport in ("v1", "v2")]
    rows = []
    for case, transport, metric, goal in wanted:
        key = case, transport, metric
        ours, btcd, limit = (figures.value(impl, *key) for impl in ("ours", "btcd", "limit"))
        if ours is None and not figures.whole:
            continue
        over = lambda other: ours / other if ours is not None and other else None
        peers = figures.value("ours", *key, field="peers")
        row = {"value": ours, "of_limit": over(limit), "peers": peers}
        rows.append([
            case, transport, plain(peers), metric, figures.with_unit("ours", *key),
            plain(btcd), plain(limit), plain(over(btcd)), plain(over(limit)), *verdict(goal, row),
        ])
    head = "case|transport|peers up|metric|ours|btcd|bare tokio task|× btcd|× bare|goal|reached"
    print_table(head.split("|"), rows)


def print_cipher(figures):
    print("## BIP324 alone, beside crate `bip324` 0.11\n")
    print("Nanoseconds, without a socket (allocations in brackets). A handshake is both ends' work, with")
    print("2,047 bytes of garbage each; packets are a ping and the block of 1.38 MB. No goal.\n")
    rows = []
    for case in ("v2/handshake", "v2/seal-ping", "v2/open-ping", "v2/seal-block", "v2/open-block"):
        times = [figures.value(impl, case, "v2", "time") for impl in ("ours", "bip324-0.11")]
        if None in times and not figures.whole:
            continue
        allocs = [
            figures.value(impl, case, "v2", "time", field="allocs_per_op")
            for impl in ("ours", "bip324-0.11")
        ]
        cells = [f"{plain(time)} ({plain(alloc)})" for time, alloc in zip(times, allocs)]
        faster = figures.ratio(case, "v2", "time", "ours", mine="bip324-0.11")
        rows.append([case, *cells, plain(faster)])
    print_table(["case", "ours", "bip324 0.11", "times as fast"], rows)


def print_served(figures):
    print("## Served: one client, four servers\n")
    print("The same blocking client (`benches/src/served.rs`) against a listener of ours, bitcoind and")
    print("btcd's daemon, each on an empty regtest chain, and a bare loop; each server in a process of its")
    print("own, and the processor time is its own. An opening includes one ping. The goals are those of")
    print("a node. btcd's daemon lets no more than 20 v2 openings a second begin, so they have no figure.")
    print("What else is missing was not measured: `interop/install bitcoind btcd` brings both nodes.\n")
    per_second = lambda rate, text: Goal(text, lambda row: at_least(row["value"], rate))
    cases = {
        "served/opening": ("openings, one after another", per_second(6_000, "≥ 6,000/s")),
        "served/opening-16-at-once": ("openings, 16 at once", per_second(15_000, "≥ 15,000/s")),
        "served/ping": ("ping round trips", of_limit(0.9)),
        "served/ping-pipelined": ("pings, 256 at once", per_second(1e6, "≥ 1 M/s")),
    }
    impls = ("ours", "bitcoind", "btcd", "limit")
    rows = []
    for case, (title, goal) in cases.items():
        for transport in ("v1", "v2"):
            values = [figures.value(impl, case, transport) for impl in impls]
            if values == [None] * 4 and not figures.whole:
                continue
            ratios = [figures.ratio(case, transport, "rate", impl) for impl in impls[1:]]
            cpus = [figures.value(impl, case, transport, field="cpu_us_per_op") for impl in impls]
            failed = [figures.value(impl, case, transport, field="failed") for impl in impls]
            row = {"value": values[0], "of_limit": ratios[2]}
            rows.append([
                title, transport,
                *("not measured" if value is None else short(value) for value in values),
                *map(plain, ratios), *map(plain, cpus),
                "/".join(plain(count) for count in failed) if any(failed) else "–",
                *verdict(goal if transport == "v1" or "ping" in case else None, row),
            ])
    head = (
        "case|transport|ours|bitcoind|btcd|bare loop|× bitcoind|× btcd|of bare loop"
        "|CPU µs/op: ours|bitcoind|btcd|bare loop|failed|goal|reached"
    )
    print_table(head.split("|"), rows)


def print_legacy(figures):
    print("## Legacy Kaspa, beside Bitcoin's v1\n")
    print("The same engine under two coins, so the ratios should be near 1: what differs is the hash that")
    print("names a transaction and, in a block, 4,000 transactions in 1 MB where Bitcoin's has 2,500 in")
    print("1.38 MB. Messages go to a listener.\n")
    cases = {
        "opening/sequential": ("openings, one after another", "rate", "value", "openings/s"),
        "opening/64-at-once": ("openings, 64 at once", "rate", "value", "openings/s"),
        "ping": ("ping round trips", "rate", "value", "round trips/s"),
        "flood/inv": ("inv of one entry, one way", "rate", "value", "messages/s"),
        "flood/tx": ("tx of 250 B, one way", "rate", "value", "messages/s"),
        "flood/block": ("blocks, one way", "rate", "mb_per_s", "MB/s"),
        "flood/addr": ("addr(1000), one way", "rate", "value", "messages/s"),
        "idle/1000": ("memory of one of 1,000 idle peers", "memory", "value", "kB/peer"),
    }
    rows = []
    for case, (title, metric, field, unit) in cases.items():
        keys = ("ours", f"kaspa-legacy/{case}", "v1", metric), ("ours", case, "v1", metric)
        legacy = figures.value(*keys[0], field=field)
        if legacy is None and not figures.whole:
            continue
        per_op = [
            plain(figures.value(*key, field=name))
            for name in ("cpu_us_per_op", "allocs_per_op") for key in keys
        ]
        rows.append([
            title, f"{short(legacy)} {unit}".replace("  ", " "),
            short(figures.value(*keys[1], field=field)), plain(figures.quotient(*keys, field=field)),
            *per_op,
        ])
    head = (
        "case|legacy Kaspa|Bitcoin v1|× Bitcoin|CPU µs/op: legacy Kaspa|Bitcoin v1"
        "|allocations/op: legacy Kaspa|Bitcoin v1"
    )
    print_table(head.split("|"), rows)


def kaspa_rows():
    """Title, our case and transport, their case, what is shown of the figure and its unit."""
    openings, pings, messages = (("value", f"{unit}/s") for unit in ("openings", "round trips", "messages"))
    rows = [
        ("openings, one after another", "opening/sequential", "grpc", "opening/sequential", openings),
        ("openings, 64 at once", "opening/64-at-once", "grpc", "opening/64-at-once", openings),
        ("ping round trips", "ping", "grpc", "ping", pings),
        ("ping round trips, 64 in flight", "ping/64-in-flight", "grpc", "ping/64-in-flight", pings),
    ]
    for count, title in ((1, "inv of one id"), (1000, "inv of 1,000 ids")):
        case = f"flood/inv({count})"
        rows.append((f"{title}, one way", case, "grpc", case, messages))
        rows.append((f"{title}, event stream", f"{case}/stream", "grpc", case, messages))
    blocks = "mb_per_s", "MB/s"
    for transport, gzip in (("grpc", ""), ("grpc+gzip", ", gzip both ways")):
        for title, case, theirs in (
            ("one way", "flood/block", "flood/block"),
            ("event stream", "flood/block/stream", "flood/block"),
            ("all hashes taken", "flood/block-converted", "flood/block-converted"),
        ):
            rows.append((f"blocks of 0.99 MB, {title}{gzip}", case, transport, theirs, blocks))
    return rows


def print_kaspa(figures):
    print("## Today's Kaspa, beside kaspad's library\n")
    print("`kaspa-p2p bench` measures kaspa-p2p-lib 2.1.0, both ends in one process as ours are. It")
    print("compresses all that it sends to whoever takes it, so to itself, and cannot be told otherwise.")
    print("Ours sends plain messages unless told otherwise and takes both; in the rows with gzip both ways")
    print("it compresses too, at level 1 where theirs has 6, and a block shrinks by 4 % at either. Its")
    print("messages go to a queue, as with our event stream; what does not fit there is lost, so its")
    print("senders have a window. It is built with interop's profile; kaspad's own changes its processor")
    print("times by up to 15 %, in both directions. What is missing was not measured: `interop/install")
    print("kaspa-p2p` brings it.\n")
    ahead = Goal("> kaspa-p2p-lib", lambda row: None if row["ratio"] is None else row["ratio"] > 1)
    rows = []
    for title, case, transport, their_case, (field, unit) in kaspa_rows():
        ours = "ours", f"kaspa/{case}", transport, "rate"
        theirs = "kaspa-p2p-lib", f"kaspa/{their_case}", "grpc", "rate"
        value = figures.value(*ours, field=field)
        if value is None and not figures.whole:
            continue
        ratio = figures.quotient(ours, theirs)
        rows.append([
            title, f"{short(value)} {unit}".replace("  ", " "),
            short(figures.value(*theirs, field=field)), plain(ratio),
            plain(figures.value(*ours, field="cpu_us_per_op")),
            plain(figures.value(*theirs, field="cpu_us_per_op")),
            plain(figures.value(*ours, field="allocs_per_op")),
            *verdict(ahead, {"ratio": ratio}),
        ])
    head = "case|ours|kaspa-p2p-lib|× kaspa-p2p-lib|CPU µs/op: ours|kaspa-p2p-lib|allocations/op: ours|goal|reached"
    print_table(head.split("|"), rows)
    print_kaspa_idle(figures)


def print_kaspa_idle(figures):
    print("1,000 idle peers, each end in a process of its own.\n")
    half = Goal("< 0.5 × kaspa-p2p-lib", lambda row: None if row["ratio"] is None else row["ratio"] < 0.5)
    rows = []
    for end in ("accepting end", "dialling end"):
        for metric, goal in (("memory", half), ("process memory", None), ("cpu", None)):
            key = f"kaspa/idle/1000/{end}", "grpc", metric
            ours, theirs = (figures.value(impl, *key) for impl in ("ours", "kaspa-p2p-lib"))
            if ours is None and not figures.whole:
                continue
            ratio = figures.ratio(*key, "kaspa-p2p-lib")
            rows.append([
                end, metric, figures.with_unit("ours", *key), plain(theirs), plain(ratio),
                *verdict(goal, {"ratio": ratio}),
            ])
    head = ["end", "metric", "ours", "kaspa-p2p-lib", "× kaspa-p2p-lib", "goal", "reached"]
    print_table(head, rows)


def print_bounds(figures):
    print("## Bounds\n")
    print("Memory while somebody does not do his part, and what a connection may hold by design.\n")
    cases = {
        "memory/flooded": ("the remote floods a listener", "64 KiB, and the message that is arriving"),
        "memory/unread-stream": (
            "the remote floods, nobody reads the event stream", "1 MiB of events, and a read"
        ),
        "memory/unread-remote": (
            "the remote reads nothing that we send", "1 MiB, 256 KiB sealed, and a message of each"
        ),
    }
    rows = []
    for case, (title, design) in cases.items():
        for transport in ("v1", "v2"):
            key = case, transport, "resident memory"
            if figures.value("ours", *key) is None and not figures.whole:
                continue
            btcd = plain(figures.value("btcd", *key))
            rows.append([title, transport, figures.with_unit("ours", *key), btcd, design])
    print_table(["case", "transport", "ours", "btcd", "by design"], rows)
    print("## A pong while blocks are downloaded on the same connection\n")
    print("100 MB at a time, with the socket options that the library sets (TCP_NOTSENT_LOWAT of 128 KiB)")
    print("and with the kernel's defaults; the bytes include what the kernels of both ends hold. What the")
    print("library itself queues before a pong is asserted in `crates/peerage/tests/serving.rs`.\n")
    rows = []
    for (impl, case, transport, metric), rounds in figures.rows.items():
        if impl == "ours" and case.startswith("latency/"):
            unit = next(iter(rounds.values()))["unit"]
            value = figures.value(impl, case, transport, metric)
            rows.append([case, transport, metric, f"{value:,.0f} {unit}"])
    print_table(["case", "transport", "metric", "ours"], rows)


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor():
    with open("/proc/cpuinfo") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")


def print_head(options):
    print("# Benchmarks\n")
    print("Written by `benches/run`, which measures everything anew and takes about twenty minutes.")
    print("\"Limit\" is the best simple loop that we could write for the same bytes (`benches/src/limit`):")
    print("no peer, no state, no policy; not a proof. Both ends are on one machine. Absolute figures")
    print("vary from machine to machine: compare ratios, which are taken within a round.\n")
    conditions = {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "rustc": output_of("rustc", "--version"),
        "go": output_of("go", "version"),
        "commit": options.commit,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "rounds": f"{options.rounds}, interleaved; figures are medians",
        "load before the run": options.load,
    }
    print_table(["condition", "value"], [[key, value] for key, value in conditions.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures")
    for option in ("--rounds", "--commit", "--load"):
        parser.add_argument(option, default="unknown")
    parser.add_argument("--whole", action="store_true", help="tell what is missing")
    options = parser.parse_args()
    with open(options.figures) as lines:
        figures = Figures(lines, options.whole)
    print_head(options)
    print_speed(figures)
    print_streams(figures)
    print_paths(figures)
    print_cipher(figures)
    print_served(figures)
    print_idle(figures)
    print_legacy(figures)
    print_kaspa(figures)
    print_bounds(figures)
    if options.whole:
        with open(os.path.join(os.path.dirname(__file__), "profiles.md")) as profiles:
            print(profiles.read(), end="")


main()
