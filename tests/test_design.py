"""From what is known of customers to the numbers that move a law."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from custrel.design import Columns, design_from, design_of, needed
from custrel.errors import DomainError, MissingExtraError

approx = pytest.approx
KNOWN = {
    "age": np.array([20.0, 40.0, 60.0, 40.0, 30.0, 50.0]),
    "member": np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
    "region": np.array(["south", "north", "west", "north", "west", "south"], dtype=object),
}


def text(*values):
    return np.array(values, dtype=object)


def test_numbers_count_from_their_mean_flags_and_categories_from_their_first_level():
    design = design_of(["age", "member", "region"], KNOWN)
    assert ("age", "member", "region[south]", "region[west]") == design.names
    assert_array_equal([[-20, 0, 1, 0], [0, 1, 0, 0], [20, 1, 0, 1], [0, 0, 0, 0]], design.matrix(KNOWN)[:4])
    assert approx(((1000 / 6) ** 0.5, 0.5, (2 / 9) ** 0.5, (2 / 9) ** 0.5)) == design.spread


def test_later_customers_are_measured_from_the_same_mean():
    design = design_of(["age", "region"], KNOWN)
    later = {"region": text("west", "south"), "age": np.array([41.0, 39.0])}
    assert_array_equal([[1, 0, 1], [-1, 1, 0]], design.matrix(later))


def test_rows_that_stand_for_many_customers_weigh_as_many():
    twice = {name: np.repeat(values, [1, 3, 2, 1, 2, 1]) for name, values in KNOWN.items()}
    many = design_of(["age", "region"], twice)
    weighed = design_of(["age", "region"], KNOWN, np.array([1.0, 3, 2, 1, 2, 1]))
    assert approx(many.spread) == weighed.spread
    assert_allclose(many.matrix(KNOWN), weighed.matrix(KNOWN))


def test_the_usual_customer_moves_nothing():
    design = design_of(["age", "member", "region"], KNOWN)
    assert {"age": 40.0, "member": 0.0, "region": "north"} == design.usual()


def test_a_design_comes_back_from_its_plain_contents():
    design = design_of(["region", "age"], KNOWN)
    assert design == design_from(design.to_dict())


def test_a_formula_makes_the_same_columns_as_the_names():
    pytest.importorskip("formulaic")
    by_name, by_formula = design_of(["age", "region"], KNOWN), design_of("age + region", KNOWN)
    assert_allclose(by_name.matrix(KNOWN), by_formula.matrix(KNOWN))
    assert approx(by_name.spread) == by_formula.spread


def test_a_formula_may_transform_and_cross():
    pytest.importorskip("formulaic")
    design = design_of("np.log(age) : member", KNOWN)
    values = np.log(KNOWN["age"]) * KNOWN["member"]
    assert_allclose(values - values.mean(), design.matrix(KNOWN)[:, 0])


def test_what_a_formula_learnt_it_keeps():
    pytest.importorskip("formulaic")
    design = design_of("scale(age)", KNOWN)
    at = design.matrix({"age": np.array([40.0, 60.0])})[:, 0]
    assert approx([0.0, 20 / 200**0.5]) == at


def test_one_name_may_stand_alone():
    assert isinstance(design_of("age", KNOWN), Columns)


def test_what_is_needed_of_the_covariates_known():
    assert ("age",) == needed("age", KNOWN)
    assert ("region", "age") == needed(["region", "age"], KNOWN)
    pytest.importorskip("formulaic")
    assert ("age", "region") == needed("age * C(region)", KNOWN)


def test_a_formula_needs_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(MissingExtraError, match="formula"):
        design_of("age + member", KNOWN)


@pytest.mark.parametrize(
    ("asked", "known", "words"),
    [
        (["aeg"], KNOWN, "covariate 'aeg' is not known of these customers; did you mean 'age'?"),
        (["age"], {}, "known: none: h.with_covariates(frame) brings them"),
        (["age", "age"], KNOWN, "one or more names, each of them once"),
        ([], KNOWN, "one or more names"),
        (["age"], {"age": np.array([1.0, np.nan, np.nan])}, "'age' is missing for 2 of 3 customers"),
        (["age"], {"age": np.array([1.0, np.inf, 2.0])}, "'age' is not finite for 1 of 3 customers"),
        (["place"], {"place": text("x", None, "y")}, "'place' is missing for 1 of 3 customers"),
        (["age"], {"age": np.ones(3)}, "'age' is 1 for all 3 customers: it moves nothing"),
        (["place"], {"place": text("x", "x")}, "'place' is 'x' for all 2 customers"),
        (["place"], {"place": text(*map(str, range(101)))}, "has 101 levels, more than 100"),
        (
            ["a", "b"],
            {"a": np.arange(4.0), "b": 2 * np.arange(4.0) + 1},
            "'a' and 'b' tell the same of all 4 customers",
        ),
        (["age"], {"age": 1e160 * np.arange(4.0)}, "'age' has a standard deviation of 1.12e+160, beyond what can be"),
        (["age"], {"age": np.array([-1.7e308, 1.7e308])}, "give it in other units, divided by 1e308 say"),
        (["age"], {"age": np.array([1e200, 0.5, 2.0])}, "'age' has a standard deviation of 4.71e+199"),
        (["age"], {"age": 1e-300 * np.arange(4.0)}, "divided by 1e-300 say"),
        (
            ["a", "b", "c"],
            {"a": np.array([0.0, 1, 4]), "b": np.array([1.0, 0, 2]), "c": np.array([0.0, 5, 2])},
            "3 columns ('a', 'b', 'c') are too many for 3 customers",
        ),
        (
            [f"x{i}" for i in range(30)],
            {f"x{i}": np.random.default_rng(i).normal(size=20) for i in range(30)},
            "'x7' and 22 more) are too many for 20 customers",
        ),
        (
            ["a", "b", "c"],
            {"a": np.eye(4)[0], "b": np.eye(4)[1], "c": np.eye(4)[0] + np.eye(4)[1]},
            "one is a combination of the others",
        ),
    ],
)
def test_what_no_effect_can_be_told_of_is_refused(asked, known, words):
    with pytest.raises(DomainError) as error:
        design_of(asked, known)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("age +", "neither a covariate nor a formula"),
        ("aeg + member", "covariate 'aeg' is not known"),
        ("1", "names no covariate"),
        ("np.nothing(age)", "cannot be worked out"),
        ("age +", "'age +' is neither a covariate nor a formula: Operator `+` has insuff"),
        ("age * (member", "(at '(')"),
        ("age[0]", "'age[0]' is the same for all 6 customers"),
        ("{age + }", "neither a covariate nor a formula: invalid syntax"),
        ("age + sqroot(member)", "'sqroot'"),
        ("np.log(age - 30)", "contains null values"),
        ("age + 1.5", "Numeric literals other than `1`"),
    ],
)
def test_a_formula_that_makes_no_sense_is_refused(formula, words):
    pytest.importorskip("formulaic")
    with pytest.raises(DomainError) as error:
        design_of(formula, KNOWN)
    assert words in str(error.value)
    assert str(error.value).isprintable()


def test_of_many_columns_those_are_named_that_tell_the_same():
    known = dict(zip("abcde", np.random.default_rng(1).normal(size=(5, 50)), strict=True))
    known |= {"sum": known["b"] - 3 * known["d"], "twin": 2 * known["a"] + 7}
    with pytest.raises(DomainError) as error:
        design_of(list(known), known)
    said = "'b' and 'd' and 'sum' tell the same of all 50 customers (one is a combination of the others): leave one out"
    assert f"{said}, and then 1 more" == str(error.value)


def test_large_and_small_scales_have_their_mean_and_spread():
    for scale in (1e-90, 1.0, 1e90):
        design = design_of(["age"], {"age": scale * KNOWN["age"]})
        assert approx(scale * (1000 / 6) ** 0.5, rel=1e-12) == design.spread[0]
        assert approx(40 * scale, rel=1e-12) == design.usual()["age"]


@pytest.mark.parametrize("asked", [["region"], "region + age"])
def test_a_level_that_the_fit_never_saw_is_refused(asked):
    if isinstance(asked, str):
        pytest.importorskip("formulaic")
    design = design_of(asked, KNOWN)
    with pytest.raises(DomainError, match="'sout'|outside of the nominated levels"):
        design.matrix({"region": text("north", "sout"), "age": np.array([1.0, 2.0])})


def test_a_level_that_the_fit_never_saw_is_said_with_the_nearest():
    with pytest.raises(DomainError, match="'sout', for 1 of 2 customers; did you mean 'south'") as error:
        design_of(["region"], KNOWN).matrix({"region": text("north", "sout")})
    assert "it knows 'north', 'south', 'west'" in str(error.value)


@pytest.mark.parametrize(("name", "values"), [("age", text("old", "young")), ("region", np.array([1.0, 2.0]))])
def test_numbers_stay_numbers_and_text_stays_text(name, values):
    with pytest.raises(DomainError, match="where the law was fitted"):
        design_of([name], KNOWN).matrix({name: values})


def test_a_formula_has_no_plain_form_and_says_so():
    pytest.importorskip("formulaic")
    with pytest.raises(DomainError, match="cannot be written as JSON: make its columns yourself"):
        design_of("age + member", KNOWN).to_dict()
