"""Pictures are drawn without a screen, and every figure is closed after its test."""

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'").use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    from matplotlib import pyplot as plt

    yield
    plt.close("all")
