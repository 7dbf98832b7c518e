"""The page on the authors' program: no setting of theirs without a row, no row without a test that is there."""

import ast
import re
from pathlib import Path

from t1t2_pt.config import OPTIONS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "coverage.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not re.match(r"\|( \*\*|[- |]+$| theirs)", line)
]
# The attributes of Params in their setup.py.
SETTINGS = """
FDStyle MM T1perT2 T1perT2epoch T2gradDIY T2isT1 T2onlySGN aFix activTrack activation avC2grad batchNorm
batchSize1 batchSize2 checkROP cnnNonlin cnnType cost cost2Type cost_T2 dataset decayT2 evaluateTestInterval
finiteDiff forVideo halfLife hessian_T2 learnFun1 learnFun2 learnRate1 learnRate2 listGrads m maxEpoch model
momentFun momentum1 momentum2 movingAvMin movingAvStep nHidden nLayers noiseT1 noiseWhere noiseupSoftmax
opt1 opt2 penalize_T2 poolBNafter preContrast preProcess printBest printInterval ratioT2 ratioValid rglrz
rglrzInitial rglrzLR rglrzPerMap rglrzPerNetwork rglrzPerNetwork1 rglrzPerUnit rglrzTrain saveName seed
showGrads testBN track1stFeatures track4Vid trackGrads trackPerEpoch trackStats triggerT2 useT2 useVal
use_momentum
""".split()  # noqa: SIM905


def test_every_setting_has_a_row():
    assert len(SETTINGS) > 60
    assert [name for name in SETTINGS if f"`{name}`" not in PAGE] == []


def test_every_row_has_a_test_that_is_there():
    for theirs, here, test in ROWS:
        if not test:
            assert here == "unused", theirs
            continue
        module, *names = test.split("::")
        body = ast.parse((ROOT / "tests" / module).read_text()).body
        for name in names:
            found = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name]
            assert found, test
            body = found[0].body


def test_options_are_ours():
    named = {name.replace("-", "_") for _, here, _ in ROWS for name in re.findall(r"--([a-z0-9-]+)", here)}
    assert named - {*OPTIONS, "t1", "t2", "store"} == set()
    assert "not yet" not in PAGE
