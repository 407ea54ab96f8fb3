import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.items.calibration import Calibration
from app.items.catalogue import Catalogue
from app.items.classifier import Classifier
from app.items.evidence import KINDS
from app.items.ngrams import normalise_text
from app.items.phrases import KeywordFinder, Phrase
from tests.unit.items.conftest import STANDARD, item_row

THINGS = [
    "路灯",
    "井盖",
    "护栏",
    "座椅",
    "雕塑",
    "花坛",
    "公厕",
    "站牌",
    "消防栓",
    "配电箱",
    "广告牌",
    "垃圾箱",
    "健身器",
    "行道树",
    "隔离桩",
    "充电桩",
    "信号灯",
    "监控",
    "岗亭",
    "电梯",
]
FAULTS = ["破损", "丢失", "被占用", "异味", "漏水"]


@pytest.fixture
def classifier(catalogue: Catalogue) -> Classifier:
    return Classifier.fit(catalogue)


@pytest.fixture(scope="module")
def taught() -> Classifier:
    """100 items with two examples each: enough to calibrate on."""
    return Classifier.fit(
        Catalogue.build(
            item_row(
                f"{n:03}",
                f"{thing}{fault}",
                synonyms=f"{thing}有点{fault}",
                examples=f"我们小区的{thing}好像{fault}了|请看看路口{thing}{fault}的情况",
            )
            for n, (thing, fault) in enumerate((thing, fault) for thing in THINGS for fault in FAULTS)
        )
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("巷口路灯坏了，晚上看不见路", "0101"),
        ("窨井盖不见了", "0102"),
        ("餐馆油烟味太大", "0601"),
        ("楼上音响声吵得睡不着", "0602"),
        ("消防通道有人违停，乱停车没人管", "0901"),
        ("电动车乱放在楼道口", "0902"),
        ("公司不发工资三个月了", "1001"),
    ],
)
def test_the_first_candidate_is_the_item_spoken_of(classifier: Classifier, text: str, code: str) -> None:
    found = classifier.classify_many([text])[0]
    assert found.top[0].item_key == f"{STANDARD}/matter/{code}"


def test_components_never_compete_with_matters(classifier: Classifier) -> None:
    found = classifier.classify_many(["路灯"])[0]
    assert all("/matter/" in candidate.item_key for candidate in found.top)


def test_a_list_of_components_only_is_classified_over_these() -> None:
    catalogue = Catalogue.build([item_row("1", "路灯", kind="component"), item_row("2", "井盖", kind="component")])
    found = Classifier.fit(catalogue).classify_many(["路灯不亮"])[0]
    assert found.top[0].item_key == f"{STANDARD}/component/1"


def test_a_matter_knows_the_words_of_its_component(classifier: Classifier) -> None:
    found = classifier.classify_many(["照明灯歪了"])[0]
    assert found.top[0].item_key.endswith("/matter/0101")
    assert found.matched_words == ("照明灯",)


def test_always_five_candidates_best_first_with_falling_probability(classifier: Classifier) -> None:
    for found in classifier.classify_many(["路灯坏了", "啊", "今天天气不错，门口有车"]):
        assert len(found.top) == 5
        assert [c.score for c in found.top] == sorted((c.score for c in found.top), reverse=True)
        chances = [c.probability for c in found.top]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) <= 1.0 + 1e-9
        assert found.probability == chances[0]


@pytest.mark.parametrize("text", ["", "   ", "！？。……", "𠮷𡃁𪚥", "zzz qqq", "\x00"])
def test_a_text_without_a_known_character_is_left_to_a_person(classifier: Classifier, text: str) -> None:
    found = classifier.classify_many([text])[0]
    assert found.abstained
    assert found.probability == 0.0
    assert found.matched_words == ()


def test_only_the_first_2000_characters_are_read(classifier: Classifier) -> None:
    beyond = classifier.classify_many(["嗯" * 2_000 + "路灯坏了"])[0]
    within = classifier.classify_many(["路灯坏了" + "嗯" * 100_000])[0]
    assert beyond.abstained
    assert within.top[0].item_key.endswith("/matter/0101")


def test_a_batch_answers_as_single_texts_do(classifier: Classifier) -> None:
    texts = ["路灯坏了", "", "餐馆油烟味太大", "呵呵"] * 40
    batch = classifier.classify_many(texts)
    assert len(batch) == 160
    for text, found in zip(texts[:4], batch[-4:], strict=True):
        alone = classifier.classify_many([text])[0]
        assert [c.item_key for c in alone.top] == [c.item_key for c in found.top]
        assert alone.probability == pytest.approx(found.probability, abs=1e-5)
    assert classifier.classify_many([]) == []


def test_the_same_catalogue_gives_the_same_answers(catalogue: Catalogue) -> None:
    texts = ["路灯坏了", "老板欠薪", "有车"]
    assert Classifier.fit(catalogue).classify_many(texts) == Classifier.fit(catalogue).classify_many(texts)


def test_it_may_be_pickled_and_shared_by_threads(taught: Classifier) -> None:
    text = "路口的护栏好像丢失了"
    alone = taught.classify_many([text])
    assert pickle.loads(pickle.dumps(taught)).classify_many([text]) == alone  # noqa: S301 our own bytes
    with ThreadPoolExecutor(4) as pool:
        assert all(found == alone for found in pool.map(taught.classify_many, [[text]] * 40))


def test_one_item_is_not_every_text() -> None:
    classifier = Classifier.fit(Catalogue.build([item_row("1", "油烟污染", synonyms="油烟味")]))
    assert classifier.classify_many(["我想咨询公积金"])[0].abstained
    assert classifier.classify_many(["楼下的烟"])[0].abstained
    clear = classifier.classify_many(["饭店油烟污染，油烟味重"])[0]
    assert not clear.abstained
    assert len(clear.top) == 1


def test_three_items_without_examples_answer_the_clear_and_abstain_from_the_rest() -> None:
    catalogue = Catalogue.build([item_row("1", "油烟污染"), item_row("2", "占道经营"), item_row("3", "拖欠工资")])
    clear, unclear = Classifier.fit(catalogue).classify_many(["拖欠工资", "我有个问题"])
    assert not clear.abstained
    assert clear.top[0].item_key.endswith("/3")
    assert unclear.abstained


def test_items_of_one_name_are_never_decided_between() -> None:
    twins = [
        item_row("1", "噪声扰民"),
        item_row("1", "噪声扰民", standard_ref="其他清单"),
        item_row("2", "油烟污染"),
    ]
    found = Classifier.fit(Catalogue.build(twins)).classify_many(["噪声扰民"])[0]
    assert found.abstained
    assert {candidate.item_key.split("/matter/")[0] for candidate in found.top[:2]} == {STANDARD, "其他清单"}


def test_an_empty_catalogue_abstains() -> None:
    found = Classifier.fit(Catalogue.build([])).classify_many(["路灯坏了"])[0]
    assert found.abstained
    assert found.top == ()


def test_a_name_without_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="标点"):
        Classifier.fit(Catalogue.build([item_row("1", "——")]))


def test_unseen_wordings_of_taught_items_are_answered_and_nonsense_is_not(taught: Classifier) -> None:
    texts = [f"市民反映，{thing}又{fault}，请处理" for thing in THINGS for fault in FAULTS]
    found = taught.classify_many(texts)
    answered = [n for n, one in enumerate(found) if not one.abstained]
    right = [n for n in answered if found[n].top[0].item_key.endswith(f"/{n:03}")]
    assert len(answered) > 80
    assert len(right) >= 0.85 * len(answered)
    assert taught.classify_many(["请问明天下雨吗"])[0].abstained


def test_the_threshold_keeps_the_promised_precision_on_held_out_answers() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 10, 400)
    evidence = rng.random((400, 10, len(KINDS))).astype(np.float32)
    evidence[np.arange(400), truth] += rng.random(400).astype(np.float32)[:, None]
    loose = Calibration.fit(evidence, truth, min_precision=0.8)
    strict = Calibration.fit(evidence, truth, min_precision=0.97)
    assert loose.threshold < strict.threshold
    for calibration, promised in ((loose, 0.8), (strict, 0.97)):
        ranking = calibration.rank(evidence)
        answered = ranking.probability >= calibration.threshold
        assert (ranking.items[answered, 0] == truth[answered]).mean() >= promised


def test_an_unreachable_precision_means_always_abstaining() -> None:
    rng = np.random.default_rng(1)
    evidence = rng.random((200, 10, len(KINDS))).astype(np.float32)
    calibration = Calibration.fit(evidence, rng.integers(0, 10, 200), min_precision=0.9)
    assert calibration.threshold > 1.0


def test_keywords_are_found_in_reading_order_and_examples_are_none() -> None:
    finder = KeywordFinder.of(
        [
            Phrase(0, "油烟", "name"),
            Phrase(1, "油烟", "synonym"),
            Phrase(1, "噪声", "synonym"),
            Phrase(2, "有噪声", "example"),
        ]
    )
    assert finder.hits(normalise_text("有噪声，还有油烟；噪声大")) == {"噪声": (1,), "油烟": (0, 1)}


def test_one_text_takes_about_a_millisecond_of_cpu(taught: Classifier) -> None:
    text = "市民反映小区东门外的路灯好像已经破损很久了，希望尽快处理"
    taught.classify_many([text])
    started = time.process_time()
    for _ in range(100):
        taught.classify_many([text])
    assert (time.process_time() - started) / 100 < 0.005  # generous: shared machines; about 0.0003 alone
