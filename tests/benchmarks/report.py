"""The figures as tables in Markdown."""

import itertools
from collections.abc import Iterable, Sequence

from tests.benchmarks.rounds import Figures, Results, Size
from tests.benchmarks.target import Kind, Target

MIB = 1024**2
TOLERABLE_CORES = 0.1


def tables(targets: Sequence[Target], results: Results) -> str:
    """A table for each number of rows, then what each process used."""
    sizes = sorted({size for _, size in results})
    parts = []
    for n_rows, same in itertools.groupby(sizes, lambda size: size.rows):
        parts.append(f"### {_count(n_rows, 'row')} per request\n\n{_table(targets, results, same)}")
    busiest = max((size for size in sizes if size.rows == 1), default=sizes[-1])
    wanted = Size(1, 32) if Size(1, 32) in sizes else busiest
    parts.append(
        f"### Processes, at {_count(wanted.clients, 'client')} and "
        f"{_count(wanted.rows, 'row')} per request\n\n{_processes(targets, results, wanted)}"
    )
    return "\n\n".join(parts)


def disturbance(other_cores: float) -> str:
    """What the use of cores by other programs means for the figures."""
    said = f"Programs that have nothing to do with it used {other_cores:.2f} cores meanwhile"
    if other_cores <= TOLERABLE_CORES:
        return f"{said}."
    return f"{said}: **too much to rely on these figures, not even on ratios; measure again.**"


def best_peer(
    target: Target, targets: Sequence[Target], results: Results, size: Size
) -> tuple[Target, Figures] | None:
    """The fastest peer with the same model at this size."""
    peers = [
        (peer, results[peer.name, size])
        for peer in targets
        if peer.kind is Kind.PEER
        and (peer.model, peer.language) == (target.model, target.language)
        and (peer.name, size) in results
    ]
    return max(peers, key=lambda found: found[1].rate, default=None)


def limit(targets: Sequence[Target], results: Results, size: Size) -> Figures | None:
    """The figures of the limit at this size."""
    names = [target.name for target in targets if target.kind is Kind.LIMIT]
    return next((results[name, size] for name in names if (name, size) in results), None)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column to the left, the others to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _table(targets: Sequence[Target], results: Results, sizes: Iterable[Size]) -> str:
    head = ["target", "clients", "right answers/s", "of the limit", "to best peer"]
    head += ["p50 ms", "p95 ms", "p99 ms", "errors", "cores", "CPU ms", "memory MB"]
    rows = []
    for target, size in itertools.product(targets, list(sizes)):
        found = results.get((target.name, size))
        if found is None:
            continue
        most = limit(targets, results, size)
        peer = best_peer(target, targets, results, size)
        rows.append(
            [
                f"**{target.name}**" if target.kind is Kind.OURS else target.name,
                str(size.clients),
                f"{found.rate:,.0f}" if found.rate >= 10 else f"{found.rate:.1f}",
                f"{found.rate / most.rate:.0%}" if most and target.kind is not Kind.LIMIT else "",
                f"{found.rate / peer[1].rate:.1f}" if peer and target.kind is Kind.OURS else "",
                *(f"{value:.2f}" for value in (found.p50, found.p95, found.p99)),
                str(found.errors),
                f"{found.cores:.2f}",
                _cpu_ms(found.cores, found.rate),
                f"{found.memory_bytes / MIB:.0f}",
            ]
        )
    return markdown(head, rows)


def _processes(targets: Sequence[Target], results: Results, size: Size) -> str:
    rows = []
    for target in targets:
        found = results.get((target.name, size))
        if found is None:
            continue
        roles = sorted(found.roles, key=lambda role: -role.cores)
        rows += [
            [
                f"{target.name}: {role.name}",
                str(role.count),
                f"{role.cores:.2f}",
                _cpu_ms(role.cores, found.rate, digits=3),
                f"{role.memory_bytes / MIB:.0f}",
            ]
            for role in roles
        ]
    return markdown(["process", "how many", "cores", "CPU ms", "memory MB"], rows)


def _cpu_ms(cores: float, rate: float, digits: int = 2) -> str:
    """CPU time for each right answer."""
    return f"{1000 * cores / rate:.{digits}f}" if rate else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
