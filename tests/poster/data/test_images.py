"""Image sets: what they check, how they are reordered, what the fingerprint tells apart."""

import numpy as np
import pytest
from PIL import Image

from poster.data.images import ArraySource, FileSource, ImageSet, open_image, take_inventory
from poster.errors import DataError


def make(count: int = 6, seed: int = 0) -> ImageSet:
    images = np.random.default_rng(seed).integers(0, 256, (count, 8, 8), dtype=np.uint8)
    return ImageSet(tuple(f"k{n}" for n in range(count)), np.arange(count) % 3, ("fear", "anger", "neutral"), ArraySource(images), "made")


def test_the_fingerprint_ignores_order_and_names_but_not_labels_or_pixels():
    images = make()
    first = take_inventory(images).fingerprint
    assert take_inventory(images.take([5, 3, 1, 0, 2, 4])).fingerprint == first
    assert take_inventory(images.relabel(("neutral", "fear", "anger"))).fingerprint == first
    assert take_inventory(images.take([0, 1, 2, 3, 4])).fingerprint != first
    swapped = ImageSet(images.keys, images.targets[[1, 0, 2, 3, 4, 5]], images.labels, images.source, "made")
    assert take_inventory(swapped).fingerprint != first
    array = images.source.array.copy()
    array[3, 0, 0] ^= 1
    assert take_inventory(ImageSet(images.keys, images.targets, images.labels, ArraySource(array), "made")).fingerprint != first


def test_doubled_images_are_named():
    images = make().take([0, 1, 2])
    twice = ImageSet(("a", "b", "c", "d"), np.array([0, 1, 2, 0]), images.labels, images.source.take(np.array([0, 1, 2, 1])), "made")
    assert take_inventory(twice).doubled == (("b", "d"),)


def test_taking_by_mask_and_by_position():
    images = make()
    assert images.take(np.array([True, False, False, True, False, False])).keys == ("k0", "k3")
    assert images.take([2, 0]).targets.tolist() == [2, 0]
    assert images.counts() == {"fear": 2, "anger": 2, "neutral": 2}


def test_an_image_of_a_class_that_the_benchmark_lacks():
    with pytest.raises(DataError, match="images of neutral"):
        make().relabel(("fear", "anger"))


def test_parts_that_do_not_belong_together():
    images = make()
    with pytest.raises(ValueError, match="do not belong together"):
        ImageSet(images.keys[:-1], images.targets, images.labels, images.source, "made")
    with pytest.raises(ValueError, match="outside the 2 labels"):
        ImageSet(images.keys, images.targets, images.labels[:2], images.source, "made")


@pytest.mark.parametrize(("mode", "shape"), [("L", (6, 5)), ("1", (6, 5)), ("RGB", (6, 5, 3)), ("RGBA", (6, 5, 3)), ("CMYK", (6, 5, 3)), ("P", (6, 5, 3))])
def test_every_kind_of_picture_becomes_grey_or_rgb(tmp_path, mode, shape):
    path = tmp_path / f"x.{'tiff' if mode == 'CMYK' else 'png'}"
    Image.new(mode, (5, 6)).save(path)
    assert open_image(path, "x").shape == shape


def test_sixteen_bits_keep_their_high_byte_and_a_palette_its_colours(tmp_path):
    deep = np.linspace(0, 65535, 30).astype(np.uint16).reshape(6, 5)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (open_image(tmp_path / "deep.png", "x") == deep >> 8).all()
    flat = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5) * 8).convert("P")
    flat.save(tmp_path / "palette.png", transparency=bytes(range(0, 240, 8)))
    assert (open_image(tmp_path / "palette.png", "x") == np.asarray(flat.convert("RGB"))).all()
    Image.fromarray(deep.astype(np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match=r"x has 32 bits a pixel; save it with 8"):
        open_image(tmp_path / "float.tif", "x")


def test_damaged_missing_and_huge_pictures_are_named(tmp_path):
    path = tmp_path / "face.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    for name, words in (("face.jpg", "damaged or cut short"), ("gone.jpg", "missing")):
        with pytest.raises(DataError, match=f"{name}.*{words}"):
            FileSource((tmp_path / name,)).read(0)
    Image.new("1", (10000, 5000)).save(tmp_path / "huge.png")
    with pytest.raises(DataError, match="10000 x 5000 pixels"):
        open_image(tmp_path / "huge.png", "huge.png")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="far more than 40,000,000 pixels"):
        open_image(tmp_path / "bomb.png", "bomb.png")
    with pytest.raises(DataError, match="cannot be read"):
        FileSource((tmp_path / "gone.jpg",)).digest(0)


def test_a_damaged_picture_is_named_with_its_folder(tmp_path):
    (tmp_path / "fear").mkdir()
    (tmp_path / "fear" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"the image fear/0\.png cannot be read"):
        FileSource((tmp_path / "fear" / "0.png",)).read(0)


def test_the_stamp_follows_every_change(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path)
    source = FileSource((path,))
    before = source.stamp()
    assert before == source.stamp()
    path.write_bytes(path.read_bytes())
    assert source.stamp() != before
