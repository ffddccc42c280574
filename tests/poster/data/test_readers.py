"""Every layout is recognised by itself and read right; every way it can be broken gets one sentence that names the file."""

import numpy as np
import pytest

from poster.data import ferplus_png, readers
from poster.data.readers import LAYOUTS
from poster.errors import DataError
from poster.labels import EXPRESSIONS, ORDERS
from tests.poster.data import layouts

ALL = tuple(LAYOUTS)


def test_raf_db(tmp_path):
    images = readers.read(layouts.raf_db(tmp_path), ALL)
    assert (images.layout, images.labels, len(images)) == ("raf-db", ORDERS["raf-db"], 14)
    assert images.keys[:2] == ("test_0001.jpg", "test_0002.jpg")
    assert images.targets.tolist() == [n for n in range(7) for _ in range(2)]
    assert images.source.read(0).shape == (48, 48, 3)
    assert len(readers.read(tmp_path, ALL, split="train")) == 7


def test_raf_db_is_found_in_the_owners_subfolder_and_in_a_folder_of_data_sets(tmp_path):
    layouts.raf_db(tmp_path / "one" / "basic")
    assert len(readers.read(tmp_path / "one", ("raf-db",))) == 14
    layouts.raf_db(tmp_path / "RAF_DB")
    assert len(readers.read(tmp_path, ("raf-db",), names=("raf-db",))) == 14


def break_line(folder):
    path = folder / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text().replace("test_0003.jpg 2", "test_0003.jpg 8"))


def double_line(folder):
    path = folder / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text() + "test_0003.jpg 2\n")


def binary_list(folder):
    (folder / "EmoLabel" / "list_patition_label.txt").write_bytes(b"\xff\xfe\x00\x80")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (break_line, "line 3 of list_patition_label.txt is not a file name and a label from 1 to 7"),
        (double_line, "test_0003.jpg stands twice"),
        (binary_list, "cannot be read as text"),
        (lambda folder: (folder / "Image/aligned/test_0005_aligned.jpg").unlink(), "test_0005_aligned.jpg is listed"),
        (lambda folder: layouts.face(folder / "Image/aligned/test_0099_aligned.jpg", "fear", 1), "test_0099_aligned.jpg is in"),
    ],
)
def test_a_broken_raf_db(tmp_path, damage, sentence):
    damage(layouts.raf_db(tmp_path))
    with pytest.raises(DataError, match=sentence.replace(".", r"\.")):
        readers.read(tmp_path, ALL)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"), ORDERS["caer-s"]),
        (tuple("1234567"), ORDERS["raf-db"]),
        (tuple("0123456"), ORDERS["affectnet-7"]),
        (tuple("01234567"), ORDERS["affectnet-8"]),
    ],
)
def test_class_folders_by_word_and_by_number(tmp_path, names, order):
    images = readers.read(layouts.class_folders(tmp_path, names), ALL)
    assert (images.labels, images.layout) == (order, "imagefolder")
    assert images.counts() == dict.fromkeys(order, 2)
    assert images.keys[0] == f"{names[0]}/0.png"
    assert bool(images.notes) == names[0].isdecimal()


@pytest.mark.parametrize("split", ["test", "valid", "val", "."])
def test_split_folders(tmp_path, split):
    assert len(readers.read(layouts.class_folders(tmp_path, split=split), ALL)) == 14


def test_labels_given_put_the_classes_in_order(tmp_path):
    layouts.class_folders(tmp_path, tuple("1234567"))
    plain = readers.read(tmp_path, ALL)
    other = readers.read(tmp_path, ALL, labels=ORDERS["caer-s"])
    assert other.labels == ORDERS["caer-s"]
    assert [other.labels[t] for t in other.targets][:2] == ["anger", "anger"]
    assert [plain.labels[t] for t in plain.targets][:2] == ["surprise", "surprise"]


@pytest.mark.parametrize(
    ("names", "extra", "sentence"),
    [
        (("anger", "fear"), "bored", "'bored' is no expression"),
        (tuple("1234567"), "9", "numbers must be 1 to 7"),
        (("happy", "fear"), "Happiness", "two folders mean happiness"),
    ],
)
def test_an_extra_class_is_named(tmp_path, names, extra, sentence):
    layouts.class_folders(tmp_path, names)
    layouts.face(tmp_path / "test" / extra / "x.png", "fear", 99)
    with pytest.raises(DataError, match=sentence):
        readers.read(tmp_path, ALL)


def test_a_stray_file_is_named(tmp_path):
    layouts.class_folders(tmp_path)
    (tmp_path / "test" / "fear" / "notes.docx").write_text("x")
    with pytest.raises(DataError, match=r"fear/notes\.docx is no image"):
        readers.read(tmp_path, ALL)


@pytest.mark.parametrize(("labels", "count"), [(EXPRESSIONS, 8), (EXPRESSIONS[:7], 7)])
def test_affectnet_annotations(tmp_path, labels, count):
    images = readers.read(layouts.affectnet_npy(tmp_path), ALL, labels=labels)
    assert (images.layout, len(images), images.labels) == ("affectnet-npy", count, labels)
    assert dict(zip(images.keys, images.targets.tolist(), strict=True))["3.jpg"] == 3


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "val_set/images/4.jpg").unlink(), "4 of val_set is annotated, but its image is missing"),
        (lambda folder: (folder / "val_set/annotations/4_exp.npy").unlink(), "4 of val_set has no annotation"),
        (lambda folder: (folder / "val_set/annotations/4_exp.npy").write_bytes(b"no"), "4_exp.npy is not a .npy file"),
        (lambda folder: np.save(folder / "val_set/annotations/4_exp.npy", np.array("12")), "4.jpg has the label 12"),
    ],
)
def test_a_broken_affectnet(tmp_path, damage, sentence):
    damage(layouts.affectnet_npy(tmp_path))
    with pytest.raises(DataError, match=sentence.replace(".", r"\.")):
        readers.read(tmp_path, ALL)


@pytest.mark.parametrize(("value", "sentence"), [(3.7, "holds 3.7, not a whole number"), (np.inf, "not a whole number"), (np.nan, "not a whole number")])
def test_an_annotation_is_a_whole_number(tmp_path, value, sentence):
    np.save(layouts.affectnet_npy(tmp_path) / "val_set/annotations/4_exp.npy", np.array(value))
    with pytest.raises(DataError, match=sentence):
        readers.read(tmp_path, ALL)
    np.save(tmp_path / "val_set/annotations/4_exp.npy", np.array(4.0))
    assert len(readers.read(tmp_path, ALL)) == 8


def test_two_pictures_of_one_annotation_are_named(tmp_path):
    layouts.face(layouts.affectnet_npy(tmp_path) / "val_set/images/3.png", "fear", 9)
    with pytest.raises(DataError, match=r"3\.jpg and 3\.png of val_set share one annotation"):
        readers.read(tmp_path, ALL)


def test_a_pickled_annotation_is_not_unpickled(tmp_path):
    layouts.affectnet_npy(tmp_path)
    np.save(tmp_path / "val_set/annotations/4_exp.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="4_exp"):
        readers.read(tmp_path, ALL)


def test_affectnet_list(tmp_path):
    images = readers.read(layouts.affectnet_list(tmp_path), ALL)
    assert (images.layout, images.labels, images.targets.tolist()) == ("affectnet-list", EXPRESSIONS, list(range(7)))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("../x.jpg 1", "outside the data set"),
        ("9.jpg 1", "9.jpg is listed"),
        ("1.jpg 2", "1.jpg stands twice"),
        ("images/1.jpg 2", "images/1.jpg stands twice"),
        ("x", "line 8"),
    ],
)
def test_a_broken_affectnet_list(tmp_path, line, sentence):
    path = layouts.affectnet_list(tmp_path) / "valid_set" / "valid_annotations_7class.txt"
    path.write_text(path.read_text() + "\n" + line)
    with pytest.raises(DataError, match=sentence.replace(".", r"\.")):
        readers.read(tmp_path, ALL)


def test_listed_pictures_of_one_name_in_two_folders_are_two_and_unlisted_ones_are_counted(tmp_path):
    path = layouts.affectnet_list(tmp_path) / "valid_set" / "valid_annotations_7class.txt"
    layouts.face(tmp_path / "valid_set/images/more/1.jpg", "fear", 50)
    layouts.face(tmp_path / "valid_set/images/99.jpg", "fear", 51)
    path.write_text(path.read_text() + "\nimages/more/1.jpg 4")
    images = readers.read(tmp_path, ALL)
    assert (images.keys[1], images.keys[-1]) == ("1.jpg", "images/more/1.jpg")
    assert len(set(images.keys)) == 8
    assert images.notes == ("1 pictures beside the listed ones are not in valid_annotations_7class.txt and were left out.",)


@pytest.mark.parametrize("make", [layouts.raf_db, layouts.affectnet_list])
def test_lists_saved_by_windows_programs(tmp_path, make):
    """A byte order mark and CRLF change nothing."""
    plain = readers.read(make(tmp_path), ALL)
    for path in (*tmp_path.rglob("*label.txt"), *tmp_path.rglob("*class.txt")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace("\n", "\r\n").encode())
    assert readers.read(tmp_path, ALL).keys == plain.keys


@pytest.mark.parametrize("make", [layouts.raf_db, layouts.affectnet_npy, layouts.class_folders])
def test_files_that_macos_leaves_are_no_pictures(tmp_path, make):
    count = len(readers.read(make(tmp_path), ALL))
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
        path.with_name(".DS_Store").write_bytes(b"x")
    assert len(readers.read(tmp_path, ALL)) == count


def test_links_in_class_folders(tmp_path):
    """A link to a picture or to a class folder is followed; one that leads nowhere, or to more folders, is named and never just left out."""
    layouts.class_folders(tmp_path, ("anger", "fear"))
    place = tmp_path / "test"
    (place / "happy").symlink_to(layouts.class_folders(tmp_path / "other", ("happy",)) / "test" / "happy")
    (place / "fear" / "link.png").symlink_to(place / "anger" / "0.png")
    assert len(readers.read(tmp_path, ALL)) == 7
    (place / "fear" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"fear/gone\.png is a link to a folder or to nothing"):
        readers.read(tmp_path, ALL)
    (place / "fear" / "gone.png").unlink()
    (place / "fear" / "more").symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match="fear/more is a link"):
        readers.read(tmp_path, ALL)


def test_pictures_beside_the_class_folders_are_noted(tmp_path):
    layouts.class_folders(tmp_path, ("anger", "fear"))
    layouts.face(tmp_path / "test" / "0.png", "fear", 60)
    assert readers.read(tmp_path, ALL).notes == ("1 pictures beside the class folders belong to no class and were left out.",)


def test_no_folder_no_layout_no_image(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        readers.read(tmp_path / "nowhere", ALL)
    with pytest.raises(DataError, match="none of the layouts"):
        readers.read(tmp_path, ALL)
    for name in ("anger", "fear"):
        (tmp_path / "test" / name).mkdir(parents=True)
    with pytest.raises(DataError, match="no image of its test part"):
        readers.read(tmp_path, ALL)


def made_ferplus() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    votes = np.zeros((4, 10), dtype=np.uint8)
    votes[np.arange(4), [0, 1, 7, 8]] = 10
    return rng.integers(0, 256, (4, 48, 48), dtype=np.uint8), votes


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("heading", [False, True])
def test_ferplus_as_pictures(tmp_path, heading, mark):
    images, votes = made_ferplus()
    layouts.ferplus_png(tmp_path, images, votes, heading=heading)
    listed = tmp_path / "FER2013Test" / "label.csv"
    listed.write_bytes(mark + listed.read_bytes())
    data, names, stamp = ferplus_png.read_ferplus_png(tmp_path)
    assert (data.images == images).all()
    assert (data.votes == votes).all()
    assert set(data.usage) == {"PrivateTest"}
    assert names["PrivateTest"][3] == "fer0000003.png"
    assert "fer0000003.png" in stamp


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("fer0000001.png,1,2", "line 5"), ("../x.png,b,1,2,3,4,5,6,7,8,9,0", "outside its folder"), ("fer0000001.png,b,1,2,3,4,5,6,7,8,9,0", "stands twice")],
)
def test_a_broken_label_file_of_ferplus(tmp_path, text, sentence):
    path = layouts.ferplus_png(tmp_path, *made_ferplus()) / "FER2013Test" / "label.csv"
    path.write_text(path.read_text() + "\n" + text)
    with pytest.raises(DataError, match=sentence):
        ferplus_png.read_ferplus_png(tmp_path)
