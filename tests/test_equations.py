"""Where equations are: the page is fresh, what people would type finds the right file, every recipe cites."""

import subprocess
import sys
from pathlib import Path

import pytest

from zerosum import registry
from zerosum.cli.main import run
from zerosum.equations import SOURCE, address, equations, page, search
from zerosum.equations import words as wordlist

DOCS = Path(__file__).parents[1] / "docs" / "EQUATIONS.md"


def test_the_page_is_fresh() -> None:
    assert DOCS.read_text() == page(), "run: python -m zerosum.equations"


def test_every_link_of_the_page_leads_to_a_file() -> None:
    for e in equations():
        assert (DOCS.parent / "../src/zerosum" / e.file).is_file()


@pytest.mark.parametrize("name", registry.names())
def test_every_recipe_but_the_free_one_cites_its_paper(name: str) -> None:
    (found,) = [e for e in equations() if e.section == "recipes" and e.name == name]
    assert name == "custom" or "arXiv:" in found.text


@pytest.mark.parametrize(
    ("words", "name", "definition"),
    [
        ("gradient penalty", "gradient.wgan_gp", "def wgan_gp("),
        ("1802.05957 sigma", "spectral.spectral_norm", "def spectral_norm("),
        ("Goodfellow log D(G(z))", "minimax_loss.non_saturating_loss", "def non_saturating_loss("),
        ("frechet distance", "frechet.frechet_distance", "def frechet_distance("),
        ("spherical", "interpolate.slerp", "def slerp("),
    ],
)
def test_people_find_what_they_look_for(words: str, name: str, definition: str) -> None:
    found = {e.name: e for e in search(words)}
    assert name in found
    at = found[name]
    assert (SOURCE / at.file).read_text().splitlines()[at.line - 1].startswith(definition)


def test_what_names_the_words_comes_before_what_only_mentions_them() -> None:
    found = [e.name for e in search("wgan gp")]
    assert set(found[:2]) == {"wgan-gp", "gradient.wgan_gp"}
    assert search("zebra crossing") == []


def test_where_prints_places_without_importing_torch() -> None:
    code = "import sys; from zerosum.cli import main; main.run(['where', 'hinge']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first = done.stdout.splitlines()[0].split("  ")[0]
    file, line = first.rsplit(":", 1)
    nearest = search("hinge")[0]
    assert (Path(file), int(line)) == (SOURCE / nearest.file, nearest.line)
    assert done.stdout.count("    ") >= len(search("hinge")), "each with what it is"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        # British and American spelling, endings, plurals
        ("spectral normalization", "spectral.spectral_norm"),
        ("spectral normalisation", "spectral.spectral_norm"),
        ("orthogonal regularization", "orthogonality.orthogonal_regularisation"),
        ("regularizers", "dirac_gan"),
        ("color images", "published.load_cifar10"),
        ("optimizers", "lsgan"),
        ("gradient penalties", "gradient.wgan_gp"),
        ("clipped weights", "clipping.clip"),
        ("centres", "modes.measure_modes"),
        # Synonyms and abbreviations
        ("earth mover", "transport.kantorovich_rubinstein"),
        ("Earth Mover's distance", "transport.wasserstein_line"),
        ("EMD", "wasserstein_loss.critic_loss"),
        ("emd", "transport.optimal_plan"),
        ("Wasserstein-1", "transport.kantorovich_rubinstein"),
        ("SN", "spectral.spectral_norm"),
        ("GP", "gradient.wgan_gp"),
        ("EMA", "ema"),
        ("moving average", "ema"),
        ("FID", "frechet.frechet_distance"),
        ("Fréchet inception distance", "frechet.frechet_distance"),
        ("Frechet", "frechet.frechet_distance"),
        ("IS", "inception_score.inception_score"),
        ("is", "inception_score.inception_score"),
        ("where is KID", "kernel.kernel_distance"),
        ("MMD", "divergences.mmd"),
        ("AdaIN", "adain.ClassAdaIN"),
        ("adain", "adain.ClassAdaIN"),
        ("TTUR", "sagan"),
        ("two time-scale update rule", "sagan"),
        ("BN", "batch_norm.BatchNorm"),
        ("batchnorm", "batch_norm.BatchNorm"),
        ("R1", "gradient.r1"),
        ("R1 regularization", "gradient.r1"),
        ("JS", "discriminator.best_value"),
        ("Jensen Shannon", "f_divergence.weighted_jensen_shannon"),
        ("relativistic", "rasgan"),
        ("RaGAN", "rasgan"),
        ("PPL", "ppl.perceptual_path_length"),
        ("path length", "ppl.perceptual_path_length"),
        ("label smoothing", "smoothed_loss.smoothed"),
        ("mode collapse", "modes.measure_modes"),
        ("mode dropping", "mode_collapse"),
        ("discriminator landscape", "critic_landscape"),
        ("Kaiming", "common.he_normal"),
        # Hyphens, words run together or apart, another order
        ("orthogonal-regularisation", "orthogonality.orthogonal_regularisation"),
        ("wgangp", "wgan-gp"),
        ("w gan", "wgan"),
        ("penalty gradient", "gradient.wgan_gp"),
        ("mini-batch discrimination", "minibatch.MinibatchDiscrimination"),
        ("matching of features", "matching.feature_matching"),
        ("Sonderby noise", "noisy-gan"),
        # One letter missing, added, wrong; two that changed places
        ("specral norm", "spectral.spectral_norm"),
        ("wassersttein", "wasserstein_loss.critic_loss"),
        ("wasserstien", "wasserstein_loss.critic_loss"),
        ("hibge", "hinge_loss.critic_loss"),
    ],
)
def test_it_is_found_by_what_people_call_it(words: str, name: str) -> None:
    assert name in [e.name for e in search(words)]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("batch normalization", "batch_norm.VectorBatchNorm"),
        ("spectral normalization", "spectral.spectral_norm"),
        ("EMD", "transport.kantorovich_rubinstein"),
        ("gradient penalty", "wgan-gp"),
        ("FID", "frechet.frechet_distance"),
        ("R1", "gradient.r1"),
        ("hinge loss", "hinge_loss.critic_loss"),
        ("EMA", "ema"),
        ("mode collapse", "mode_collapse"),
        ("discriminator", "discriminator.optimal_discriminator"),
        ("critic", "hinge_loss.critic_loss"),
    ],
)
def test_the_nearest_is_among_the_first(words: str, name: str) -> None:
    assert name in [e.name for e in search(words)[:5]]


def test_abbreviations_and_letters_are_no_beginnings_of_words() -> None:
    """EMA is not ``E max(...)``, IS is not every "is", and an optimizer is not an optimistic step."""
    assert "hinge_loss.critic_loss" not in [e.name for e in search("EMA")]
    assert len(search("IS")) < 10
    assert "dynamics.optimistic" not in [e.name for e in search("optimizer")[:3]]
    assert len(search("GP")) < len(equations()) / 4


def test_every_row_of_the_table_leads_somewhere() -> None:
    for row in wordlist.SYNONYMS:
        for name in (*row.written, *row.typed):
            assert search(name), f"{name!r} finds nothing"


def test_every_name_is_found_by_itself() -> None:
    for e in equations():
        assert e in search(e.name), e.name


@pytest.mark.parametrize(
    ("group", "stem"),
    [
        (("normalization", "normalisation", "normalized", "normalise", "normalizer", "normalising"), "normalis"),
        (("regularizer", "regularisers", "regularization"), "regularis"),
        (("behavior", "behaviours"), "behavior"),
        (("center", "centre", "centres"), "center"),
        (("penalty", "penalties"), "penalty"),
        (("clip", "clipped", "clipping"), "clip"),
        (("loss", "losses"), "loss"),
        (("labelled", "labeled", "labels"), "label"),
        (("average", "averages", "averaging"), "averag"),
        (("gan", "gans"), "gan"),
        (("four",), "four"),
        (("bias",), "bia"),
    ],
)
def test_one_stem_for_all_forms_of_a_word(group: tuple[str, ...], stem: str) -> None:
    found = {wordlist.stem(word) for word in group}
    assert len(found) == 1 or stem == "gan"
    assert stem in found


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [
        ("norm", "norm", True),
        ("norm", "nrm", True),
        ("nrm", "norm", True),
        ("norm", "norms", True),
        ("norm", "worm", True),
        ("norm", "nrom", True),
        ("norm", "warm", False),
        ("norm", "nmro", False),
        ("norm", "normal", False),
        ("ab", "ba", True),
        ("", "a", True),
    ],
)
def test_one_mistake_is_one_letter_or_two_that_changed_places(a: str, b: str, near: bool) -> None:
    assert wordlist.is_near(a, b) is near


def test_a_mistyped_word_is_taken_for_the_nearest_and_this_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["where", "wasserstien"]) == 0
    said = capsys.readouterr()
    assert "wasserstein_loss.critic_loss" in said.out
    assert said.err == "note: nothing mentions 'wasserstien'; this is what mentions 'wasserstein'\n"


def test_where_says_when_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["where", "wasertsien"]) == 2
    assert "nothing here mentions 'wasertsien'. Did you mean 'wasserstein'?" in capsys.readouterr().err
    assert run(["where", "hinge", "qqqq"]) == 2
    said = capsys.readouterr().err
    assert "'qqqq'" in said
    assert "'hinge'" not in said
    assert "https://" in said
    assert said.count("\n") == 1
    assert run(["where", "hinge", "sinkhorn"]) == 2
    assert "without 'sinkhorn' there are" in capsys.readouterr().err
    assert run(["where", " "]) == 2


def test_nothing_points_at_files_that_are_not_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    run(["where", "zzzz"])
    said = capsys.readouterr().err
    assert " docs/" not in said
    assert address("docs/EQUATIONS.md") in said
    assert address("src/x.py", 3).endswith("/blob/main/src/x.py#L3")


def test_lines_fit_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    run(["where", "hinge"])
    texts = [line for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert texts
    assert max(map(len, texts)) <= 60
