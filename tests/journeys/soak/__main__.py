"""`./dev soak --kills 500`: ends with 1 when anything was lost."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from .campaign import as_lines, campaign


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="default: another one each time")
    parser.add_argument("--power-cuts", action="store_true", help="lose what was not synced, too (needs a C compiler)")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="ossfn-soak-") as folder:
        findings = campaign(Path(folder), kills=given.kills, seed=given.seed, power_cuts=given.power_cuts)
    sys.stdout.write(f"{as_lines(findings)}\n")
    return 0 if findings.good() else 1


if __name__ == "__main__":
    sys.exit(main())
