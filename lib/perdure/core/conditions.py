"""The pipeline file's retrain section: conditions over the evidence, and what limits them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, Union

from pydantic import Discriminator, Field, Tag

from .section import Section, Span


class Drift(Section):
    """At least `columns` features whose `drift` statistic is above the bound in the interval."""

    drift: str = Field(description="a drift statistic, such as population_stability_index")
    above: float | None = Field(default=None, description="default: each feature's own, for monitor.false_alarms")
    columns: int = Field(default=1, ge=1, description="how many features must be above it")


class Realised(Section):
    """A realised metric worse by `worse_by` than the champion's on its own holdout (0.05 is five per cent); with
    `slice`, in any value of that slice column. Below `minimum_coverage` labels it isn't judged."""

    realised: str = Field(description="a metric")
    worse_by: float = Field(gt=0, description="the share by which it is worse")
    slice: str | None = Field(default=None, description="one of monitor.slices (the pipeline's metric only)")
    minimum_coverage: float = Field(default=0.0, ge=0, le=1, description="share of rows whose label must be known")


class Expected(Section):
    """A metric expected, before labels, to be worse by `worse_by` than the champion's on its own holdout; with `slice`,
    in any value of that slice column."""

    expected: str = Field(description="a metric")
    worse_by: float = Field(gt=0, description="the share by which it is worse")
    slice: str | None = Field(default=None, description="one of monitor.slices (the pipeline's metric only)")


class DataQuality(Section):
    """More than this share of the interval's rows went to quarantine."""

    data_quality: float = Field(ge=0, lt=1, description="the share")


class NewCategories(Section):
    """In any feature more than this share of the rows has a category that the training never saw."""

    new_categories: float = Field(ge=0, lt=1, description="the share")


class Unusual(Section):
    """At least so many measures of the interval's sources and features (rows, shares of nulls and of distinct values,
    means, new categories) lie outside what their own history lets expect."""

    unusual: int = Field(ge=1, description="how many")


class Together(Section):
    """A check on all features at once, switched on under monitor, finds that the interval isn't like the training."""

    together: Literal["multivariate", "domain_classifier", "attributions"] = Field(
        description="whether they still go together, a classifier tells the rows apart, or the model leans elsewhere"
    )


class Age(Section):
    """The champion's training data ended longer ago than this."""

    age: Span = Field(description="the time")


class NewRows(Section):
    """This many labelled rows have come since the champion's training data ended."""

    new_rows: int = Field(ge=1, description="how many")


class AnyOf(Section):
    """Due when one of them is."""

    any: tuple[Condition, ...] = Field(min_length=1, description="the conditions")


class AllOf(Section):
    """Due when all of them are."""

    all: tuple[Condition, ...] = Field(min_length=1, description="the conditions")


class Repeated(Section):
    """The condition held in at least `times` of the `last` intervals, this one included."""

    of: Condition = Field(description="the condition")
    times: int = Field(ge=1, description="in how many of them")
    last: int = Field(ge=1, le=100, description="of how many intervals")


class Budget(Section):
    """At most so many trainings in any time as long as `per`."""

    trainings: int = Field(ge=1, description="how many")
    per: Span = Field(description="in how long a time")


CONDITIONS: dict[str, type[Section]] = {
    "drift": Drift,
    "realised": Realised,
    "expected": Expected,
    "data_quality": DataQuality,
    "new_categories": NewCategories,
    "unusual": Unusual,
    "together": Together,
    "age": Age,
    "new_rows": NewRows,
    "of": Repeated,
    "any": AnyOf,
    "all": AllOf,
}
_EXPECTED = f"expected a condition: one of {', '.join(CONDITIONS)}"


def _condition_tag(value: Any) -> str | None:
    """The tag of the condition that `value` is; `~` marks it as no key of the document."""
    if isinstance(value, str):
        return "~word"
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    return next((f"~{name}" for name in CONDITIONS if name in keys), None)


_Tagged: TypeAlias = Union[  # noqa: UP007
    Annotated[Drift, Tag("~drift")],
    Annotated[Realised, Tag("~realised")],
    Annotated[Expected, Tag("~expected")],
    Annotated[DataQuality, Tag("~data_quality")],
    Annotated[NewCategories, Tag("~new_categories")],
    Annotated[Unusual, Tag("~unusual")],
    Annotated[Together, Tag("~together")],
    Annotated[Age, Tag("~age")],
    Annotated[NewRows, Tag("~new_rows")],
    Annotated[Repeated, Tag("~of")],
    Annotated[AnyOf, Tag("~any")],
    Annotated[AllOf, Tag("~all")],
]
_Choice = Discriminator(_condition_tag, custom_error_type="condition", custom_error_message=_EXPECTED)
Condition = Annotated[_Tagged, _Choice]
When = Annotated[
    Annotated[Literal["never", "always"], Tag("~word")] | _Tagged,
    Discriminator(_condition_tag, custom_error_type="condition", custom_error_message=f"{_EXPECTED}, never, always"),
]
Repeated.model_rebuild()
AnyOf.model_rebuild()
AllOf.model_rebuild()


class Retrain(Section):
    """When the model is trained anew; the first training comes as soon as there is enough history."""

    when: When = Field(default="never", description="asked at each interval's end")
    cooldown: int = Field(default=0, ge=0, description="intervals that must pass after a training")
    minimum_rows: int = Field(default=0, ge=0, description="labelled rows that the window must hold")
    budget: Budget | None = Field(default=None, description="trainings in a time")


def parts(condition: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """A condition and all within it, each with its place in the document (`any`, 0, `of`, ...)."""
    yield (), condition
    inner: list[tuple[tuple[str | int, ...], Any]] = []
    if isinstance(condition, Repeated):
        inner.append((("of",), condition.of))
    for kind in ("any", "all"):
        inner += [((kind, index), each) for index, each in enumerate(getattr(condition, kind, None) or ())]
    for where, each in inner:
        for deeper, found in parts(each):
            yield (*where, *deeper), found
