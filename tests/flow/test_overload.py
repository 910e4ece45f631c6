"""Ten times what the gateway can do, for a moment: `make bench-overload` does it for longer, and measures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from bench import targets
from bench.overload import measured


def test_at_ten_times_its_capacity_it_refuses_whoever_sends_most_first_and_recovers(
    tmp_path: Path,
) -> None:
    with (
        targets.upstream("bare") as bare,
        targets.gateway(tmp_path / "gateway", {"bare": (bare, 10)}) as gateways,
    ):
        found = measured(gateways["bare"], times=10, seconds=3)
        made = gateways["bare"].gateway
        assert made is not None
        said = made.cli("audit", "search", "--kind", "refused", "--code", "limit.overload", "-n", "100000", "--json")
    print(found)
    assert found["codes"] == ["503 limit.overload with retry-after"]
    assert found["noisy_refused_share"] > 0.1
    assert found["modest_refused_share"] < found["noisy_refused_share"]
    assert found["served_share_of_capacity"] > 0.1
    assert found["refused_after"] < found["refused_storm"]
    refused: Counter[str] = Counter()
    for record in json.loads(said):
        refused[record.get("client", "others")] += record["count"]
    assert refused.most_common(1)[0][0] == "bench-0"
    assert sum(refused.values()) >= found["refused_storm"]
