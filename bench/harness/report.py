"""The table, as text."""

from .runs import CURRENT

TITLES = ["SQLite", "PostgreSQL"]


def table(results):
    titles = [title for title in TITLES if title in results]
    before, after = (" ".join(f"{it:.1f}" for it in results[when]) for when in ("load_before", "load_after"))
    parts = [
        f"{results['cores']} cores, load generator included; {results['rounds']} rounds of {results['seconds_a_step']} s "
        f"a step; load average {before} before, {after} after; medians, spread in brackets"
    ]
    for title in titles:
        parts += [rows(title, results[title]), others(results[title]), lists(title, results[title]["lists"])]
    parts.append(f"Size of the binary: {results['binary_mb']:.1f} MB")
    parts.append(columns(targets(results, titles), "<>>>"))
    return "\n\n".join(parts)


def comparison(results, then):
    """How two programs compare, as text."""
    before, after = (" ".join(f"{it:.1f}" for it in results[when]) for when in ("load_before", "load_after"))
    parts = [
        f"the working tree, against {then}; {results['cores']} cores, load generator included; {results['rounds']} pairs "
        f"of {results['seconds_a_step']} s a step; load average {before} before, {after} after; medians, of the pairs "
        "with their spread in brackets"
    ]
    for title in (title for title in TITLES if title in results):
        heading = [title, "requests/s then", "now", "now of then", "", "CPU µs then", "now", "now of then", ""]
        lines = [[*heading, "p99 ms then", "now"]]
        for name, row in results[title].items():
            rate, processor, slowest = row["requests_a_second"], row["processor_us"], row["p99_ms"]
            lines.append(
                [
                    name,
                    *(f"{rate[when]:.0f}" for when in ("then", "now")),
                    *with_spread(rate["ratio"], "{:.3f}"),
                    *(f"{processor[when]:.1f}" for when in ("then", "now")),
                    *with_spread(processor["ratio"], "{:.3f}"),
                    *(f"{slowest[when]:.2f}" for when in ("then", "now")),
                ]
            )
        parts.append(columns(lines, "<>>><>>><>>"))
    return "\n\n".join(parts)


def rows(title, measured):
    heading = [title, "requests/s", "", "p50 ms", "p99 ms", "of plain", "", "of unrecorded", ""]
    heading += ["CPU µs", "rows written", "RssAnon MB"]
    lines = [heading]
    for name, row in measured["rows"].items():
        lines.append(
            [
                name,
                *with_spread(row["requests_a_second"], "{:.0f}"),
                just_median(row["p50_ms"], "{:.2f}"),
                just_median(row["p99_ms"], "{:.2f}"),
                *with_spread(row["share_of_plain"], "{:.3f}"),
                *with_spread(row.get("share_of_unrecorded"), "{:.3f}"),
                just_median(row["processor_us"], "{:.1f}"),
                just_median(row.get("rows_written"), "{:.0f}"),
                just_median(row["rss_anon_mb"], "{:.1f}"),
            ]
        )
    tried = just_median(measured["sign_ins"]["sign_ins_a_second"], "{:.0f}")
    for when, name in (("before", f"{CURRENT} before"), ("during", f"  during 100 wrong sign-ins ({tried}/s)")):
        row = measured["sign_ins"][when]
        rate = with_spread(row["requests_a_second"], "{:.0f}")
        lines.append([name, *rate, just_median(row["p50_ms"], "{:.2f}"), just_median(row["p99_ms"], "{:.2f}")])
    return columns(lines, "<><>>><><>>>")


def others(measured):
    lines = [["start to first 200", *with_spread(measured["start_ms"], "{:.0f} ms")]]
    for tokens, row in measured["growth"].items():
        for what, name in (("lookup", "lookup by itself"), ("request", "request, unrecorded")):
            times = just_median(row[f"{what}_times_the_smallest"], "{:.2f}")
            time = with_spread(row[f"{what}_us"], "{:.1f} µs")
            lines.append([f"{name}, {int(tokens):,} tokens", *time, f"{times} times the smallest"])
    updates = measured["updates"]
    nginx = measured["behind_nginx"]
    for name, title in (("plain", "nginx to a service"), ("asking", "  asking Latchkey about each request")):
        row = nginx[name]
        alone = just_median(row["alone_p50_ms"], "{:.3f} ms p50 with one connection")
        lines.append([title, *with_spread(row["requests_a_second"], "{:.0f} requests/s"), alone])
    lines.append(["  share that is left", *with_spread(nginx["share"], "{:.3f}")])
    lines.append(["  added to the median, one connection", *with_spread(nginx["added_p50_ms"], "{:.3f} ms")])
    admission = measured["admission"]
    for name, number in admission["members"].items():
        title = f"nginx asks about a member of a group of {number:,}"
        lines.append([title, *with_spread(admission[name], "{:.0f} requests/s")])
    lines.append(["  share that is left", *with_spread(admission["many_of_few"], "{:.3f}")])
    mail = measured["mail"]
    for name, number in mail["waiting"].items():
        lines.append([f"{CURRENT}, {number:,} mails wait", *with_spread(mail[name], "{:.0f} requests/s")])
    lines.append(["  share that is left", *with_spread(mail["many_of_none"], "{:.3f}")])
    lines.append([f"{mail['sent']:,} mails to a local server", f"{mail['sent_a_second']:.0f} mails/s"])
    what = f"UPDATEs for {updates['requests']:,} requests with one key, three processes, in {updates['seconds']:.0f} s"
    return columns(lines, "<><<") + f"\n{what}: {updates['updates']}"


def lists(title, measured):
    """The pages of the administrator's lists, and their files."""
    sizes = "{few[keys]:,} keys and {few[entries]:,} entries are few, {many[keys]:,} and {many[entries]:,} many"
    heading = [f"{title}, one connection", "few ms", "many ms", "times", ""]
    heading += [f"page {measured['far_page']:,} ms", "of page 1", ""]
    lines = [heading]
    for list_name, path in (("keys", "/admin/keys"), ("audit", "/admin/audit")):
        for name, row in measured[list_name].items():
            lines.append(
                [
                    f"{path}, {name}",
                    *(just_median(row[it], "{:.2f}") for it in ("few_ms", "many_ms")),
                    *with_spread(row["times_few"], "{:.2f}"),
                    just_median(row.get("far_ms"), "{:.2f}"),
                    *with_spread(row.get("times_first"), "{:.2f}"),
                ]
            )
    files = [[f"{title}, every key as a file", "keys/s", "", "RssAnon MB"]]
    for name, row in measured["exports"].items():
        rate = with_spread(row["keys_a_second"], "{:.0f}")
        files.append([f"{name}, {measured['many']['keys']:,} keys", *rate, f"{row['rss_anon_mb']['most']:.1f}"])
    return "\n".join([columns(lines, "<>>><>><"), sizes.format(**measured), "", columns(files, "<><>")])


def targets(results, titles):
    lines = [["figure", "must reach", "reached", ""]]

    def line(title, what, target, value, reached, form):
        lines.append([f"{title}: {what}", target, form.format(value), "yes" if reached else "NO"])

    for title in titles:
        measured = results[title]
        shipped = measured["rows"][CURRENT]
        least = {"SQLite": 0.25, "PostgreSQL": 0.11}[title]
        share = shipped["share_of_plain"]["median"]
        line(title, f"{CURRENT}, of the plain route", f"{least}", share, share >= least, "{:.3f}")
        share = shipped["share_of_unrecorded"]["median"]
        line(title, "with recording, of the same without", "0.97", share, share >= 0.97, "{:.3f}")
        *_, (tokens, largest) = measured["growth"].items()
        for what, name in (("lookup", "lookup by itself"), ("request", "request")):
            times = largest[f"{what}_times_the_smallest"]["median"]
            line(title, f"{name}, {int(tokens):,} tokens", "≤ 1.5 times", times, times <= 1.5, "{:.2f}")
        if title == "SQLite":
            memory = shipped["rss_anon_mb"]["most"]
            line(title, f"memory under {CURRENT}", "≤ 40 MB", memory, memory <= 40, "{:.1f}")
        start = measured["start_ms"]["median"]
        line(title, "start to first 200", "≤ 100 ms", start, start <= 100, "{:.0f}")
        share = measured["admission"]["many_of_few"]["median"]
        line(title, "admission by 10,000 members, of that by ten", "≥ 0.98", share, share >= 0.98, "{:.3f}")
        share = measured["mail"]["many_of_none"]["median"]
        line(title, "requests while 100,000 mails wait, of those without", "≥ 0.97", share, share >= 0.97, "{:.3f}")
        sent = measured["mail"]["sent_a_second"]
        line(title, "mails that one process sends", "≥ 200/s", sent, sent >= 200, "{:.0f}")
        updates = measured["updates"]
        reached = updates["updates"] in (1, 2) and updates["requests"] >= 100_000 and updates["seconds"] < 60
        line(title, "UPDATEs for 100,000 requests", "1 (or 2)", updates["updates"], reached, "{}")
        for what, limit, value, reached, form in of_lists(measured["lists"]):
            line(title, what, limit, value, reached, form)
    return lines


def of_lists(measured):
    """The figures of the administrator's lists that have a limit, of the slowest order or filter of each."""
    most = lambda list_name, figure: max(row[figure]["median"] for row in measured[list_name].values())
    many = measured["many"]
    slowest = [
        (f"{many['keys']:,} keys, each order", "keys", "times_few", 2),
        (f"{many['entries']:,} entries, each filter", "audit", "times_few", 2),
        (f"page {measured['far_page']:,} of the keys, of page 1", "keys", "times_first", 1.5),
    ]
    for what, list_name, figure, limit in slowest:
        value = most(list_name, figure)
        yield what, f"≤ {limit} times", value, value <= limit, "{:.2f}"
    for name, row in measured["exports"].items():
        rate = row["keys_a_second"]["median"]
        yield f"{name} of {many['keys']:,} keys", "≥ 50,000/s", rate, rate >= 50_000, "{:,.0f}"
    memory = max(row["rss_anon_mb"]["most"] for row in measured["exports"].values())
    yield f"memory while {many['keys']:,} keys are sent", "≤ 100 MB", memory, memory <= 100, "{:.1f}"


def with_spread(values, form):
    """The median, and in brackets the least and the most."""
    if values is None:
        return ["", ""]
    least, most = form.format(values["least"]), form.format(values["most"])
    return [form.format(values["median"]), f"({least.split(' ')[0]}–{most.split(' ')[0]})"]


def just_median(values, form):
    return "" if values is None else form.format(values["median"])


def columns(lines, alignment):
    widths = [max(len(line[at]) for line in lines if at < len(line)) for at in range(len(alignment))]
    cells = lambda line: (f"{cell:{align}{width}}" for cell, align, width in zip(line, alignment, widths))
    return "\n".join("  ".join(cells(line)).rstrip() for line in lines)
