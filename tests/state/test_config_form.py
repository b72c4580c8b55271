import pytest

from tvae_core.config import SECTIONS
from tvae_core.presets import load_preset
from tvae_gui.state.config_form import BASIC, RECOMMENDED, FormState, fields


@pytest.fixture
def form() -> FormState:
    return FormState("fast-cpu")


def test_every_parameter_but_the_path_has_a_field() -> None:
    keys = {field.key for field in fields()} | {"data.path"}
    assert keys == {f"{s}.{name}" for s, model in SECTIONS.items() for name in model.model_fields}
    assert keys > BASIC


def test_fields_carry_unit_help_bounds_and_choices() -> None:
    by_key = {field.key: field for field in fields()}
    crop = by_key["data.crop_px"]
    assert (crop.kind, crop.unit, crop.label) == ("whole", "px", "Crop")
    assert crop.bounds == "between 0 and 16,384 px"
    assert by_key["train.learning_rate"].bounds == "above 0 and at most 1"
    assert "bernoulli" in by_key["model.likelihood"].choices
    assert all(field.help for field in by_key.values())


@pytest.mark.parametrize("key", [field.key for field in fields()])
def test_every_field_takes_its_own_value(form: FormState, key: str) -> None:
    form.set(key, form.value(key))
    assert form.problem(key) == ""
    assert not form.differs(key)


def test_text_becomes_a_number_and_differs_from_the_preset(form: FormState) -> None:
    form.set("model.z_dim", "8")
    assert form.config().model.z_dim == 8
    assert form.differs("model.z_dim")
    assert form.settings() == ["model.z_dim=8"]
    form.reset("model.z_dim")
    assert form.settings() == []


def test_the_settings_lead_back_to_the_config(form: FormState) -> None:
    for key, text in [("train.learning_rate", "3e-5"), ("data.invert", True), ("data.mask", True)]:
        form.set(key, text)
    assert load_preset("fast-cpu").changed(form.settings()) == form.config()


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("model.z_dim", "0", "0 is not allowed: give a whole number between 1 and 512"),
        ("model.z_dim", "two", "two is not allowed: give a whole number between 1 and 512"),
        ("model.z_dim", "", "Give a whole number between 1 and 512"),
        ("train.learning_rate", "0", "0 is not allowed: give a number above 0 and at most 1"),
        ("model.kernel_px", "28", "Must be odd, 28 moves the output half a pixel: take 29"),
    ],
)
def test_a_wrong_value_is_told_in_words_and_not_used(
    form: FormState, key: str, text: str, words: str
) -> None:
    before = form.config()
    form.set(key, text)
    assert form.problem(key) == words
    assert form.value(key) == text
    assert form.config() == before
    form.reset(key)
    assert form.problems() == {}


def test_another_preset_resets_the_form_and_keeps_the_images(form: FormState) -> None:
    form.data_path = "/images.mrcs"
    form.set("model.z_dim", "7")
    form.choose_preset("paper-mnist")
    assert form.value("model.z_dim") == 2
    assert form.data_path == "/images.mrcs"
    assert form.changed_keys() == []


def test_search_looks_in_names_and_help(form: FormState) -> None:
    found = [field.key for field in fields() if field.matches("gumbel temperature")]
    assert found == ["train.temperature", "train.temperature_end"]


def test_an_automatic_kernel_tells_what_it_comes_to(form: FormState) -> None:
    assert form.hint("model.kernel_px") == ""
    form.image_side = 50
    assert form.hint("model.kernel_px") == "here 33 px"


def test_a_recommendation_fills_the_form_and_says_why() -> None:
    form = FormState(RECOMMENDED)
    assert form.for_command()[0] == "fast-cpu"  # nothing was recommended yet
    form.set("model.z_dim", 5)
    found = load_preset("fast-cells").changed(["data.crop_px=48", "model.z_dim=3"])
    form.take_recommendation(found, "fast-cells", {"data.crop_px": "the middle differs"})
    assert form.value("data.crop_px") == 48
    assert form.reason("data.crop_px") == "the middle differs"
    assert form.value("model.z_dim") == 5  # what was typed stays
    preset, settings = form.for_command()
    assert preset == "fast-cells"
    assert load_preset(preset).changed(settings) == form.config()
    form.reset("model.z_dim")
    assert form.for_command() == (None, [])
    form.set("data.crop_px", 32)
    assert form.reason("data.crop_px") == ""


def test_a_recommendation_waits_while_a_preset_is_chosen() -> None:
    form = FormState("fast-cpu")
    found = load_preset("fast-cells").changed(["data.crop_px=48"])
    form.take_recommendation(found, "fast-cells", {"data.crop_px": "so"})
    assert form.config() == load_preset("fast-cpu")
    assert form.reason("data.crop_px") == ""
    form.choose_preset(RECOMMENDED)
    assert form.config() == found
    form.forget_recommendation()
    form.choose_preset(RECOMMENDED)
    assert form.config() == load_preset("fast-cells")  # until the next look


@pytest.mark.parametrize(
    ("typed", "value"),
    [("0,0005", 0.0005), ("5e-4", 0.0005), ("5,5e-4", 0.00055), ("0,125", 0.125)],
)
def test_a_decimal_comma_is_a_point(form: FormState, typed: str, value: float) -> None:
    form.set("train.learning_rate", typed)
    assert form.problem("train.learning_rate") == ""
    assert form.value("train.learning_rate") == value


def test_a_comma_that_may_part_thousands_is_asked_about(form: FormState) -> None:
    form.set("train.learning_rate", "1,000")
    assert form.problem("train.learning_rate")
