"""cifar10:DIR, folder:DIR and parquet:FILE: what is read, and what is refused in one line."""

from __future__ import annotations

import os
import pickle
import resource
import shutil

import image_files
import numpy as np
import pytest
from image_files import encoded, pixels, save_cifar10, save_folder, save_parquet

import boundcalc
from boundcalc.data import pickles
from boundcalc.empirical.datasets import open_data
from boundcalc.errors import DataError, SampleError

pyarrow = pytest.importorskip("pyarrow")


def all_of(split, batch_size=5):
    batches = list(split.batches(batch_size))
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def check(split, x, y):
    found = all_of(split)
    assert np.array_equal(found[0], x / 255) and np.array_equal(found[1], y)
    assert split.m == len(y) and split.shape == x.shape[1:]


def refused(spec, kind=DataError, read=True):
    with pytest.raises(kind) as caught:
        data = open_data(spec)
        for split in (data.train, data.test):
            for _ in split.batches(5) if read and split is not None else ():
                pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "below"),
    [
        (image_files.python_2, ""),
        (image_files.python_2, "cifar-10-batches-py"),
        (image_files.python_3, ""),
        (lambda data, labels: image_files.python_3(data, labels, 2), ""),
        (None, ""),
        (None, "cifar-10-batches-bin"),
    ],
)
def test_cifar10(tmp_path, form, below):
    x_train, y_train, x_test, y_test = save_cifar10(tmp_path / "data" / below, form)
    data = open_data(f"cifar10:{tmp_path / 'data'}")
    check(data.train, x_train, y_train)
    check(data.test, x_test, y_test)


RECODED = (
    b"c_codecs\nencode\nq\x00X\x00\x01\x00\x00"
    + b"a" * 256
    + b"X\x06\x00\x00\x00latin1\x86q\x01R"
    + b"h\x00h\x01R" * 2
)
"""A text that is encoded three times."""


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch /tmp/owned-by-a-pickle",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({b"data": Bomb(), b"labels": [1]}, 2), "no `data` of 3072 bytes per image"),
        (pickle.dumps(Bomb(), 2), "no `data`"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, 2), "no list of 2 `labels`"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, 2), "not in 0 to 9"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [-1]}, 2), "not in 0 to 9"),
        (pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [1]}, 2), "are not bytes"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [1]}, 2), "CIFAR-100"),
        (image_files.python_2(np.zeros((2, 3072), np.uint8), [1, 2])[:-400], "pickle"),
        (b"\x80\x02" + b"(" * 100_000, "pickle"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "no `data`"),
        (b"", "pickle"),
        (b"\x80\x02" + b"N" * 200_000 + b"(t" * 200_000 + b".", "no `data`"),
        (b"\x80\x02" + b"}" * (pickles.MOST_STEPS + 1) + b".", "more than 1048576 steps"),
        (b"\x80\x02}(K\x01K\x02u.", "keys that are not text"),
        (b"\x80\x02" + RECODED + b".", "encodes one text many times"),
    ],
)  # fmt: skip
def test_a_batch_that_is_none(tmp_path, content, said):
    save_cifar10(tmp_path / "data")
    (tmp_path / "data" / "data_batch_3").write_bytes(content)
    message = refused(f"cifar10:{tmp_path / 'data'}")
    assert said in message and "data_batch_3" in message
    assert not os.path.exists("/tmp/owned-by-a-pickle")


def test_a_pickle_is_described_and_never_run():
    found = pickles.read(pickle.dumps({"a": Bomb()}))
    assert found["a"].call in {"posix system", "nt system"} and found["a"].arguments[0].startswith("touch")


def test_what_cifar10_lacks(tmp_path):
    folder = tmp_path / "data"
    assert "no such folder" in refused(f"cifar10:{folder}")
    folder.mkdir()
    assert "no data_batch_1" in refused(f"cifar10:{folder}")
    (folder / "cifar-10-python.tar.gz").write_bytes(b"")
    assert "unpack" in refused(f"cifar10:{folder}")
    save_cifar10(folder / "cifar-10-batches-py")
    (folder / "cifar-10-batches-py" / "data_batch_2").unlink()
    assert "data_batch_2: missing" in refused(f"cifar10:{folder}")
    save_cifar10(folder / "cifar-10-batches-bin", None)
    assert "name the folder that is meant" in refused(f"cifar10:{folder}")
    file = folder / "cifar-10-batches-bin" / "test_batch.bin"
    file.write_bytes(file.read_bytes()[:-1])
    assert "not a multiple of 3073" in refused(f"cifar10:{file.parent}")


@pytest.mark.parametrize(
    ("shape", "form"), [((3, 5, 4), "PNG"), ((1, 5, 4), "PNG"), ((3, 5, 4), "BMP"), ((1, 6, 6), "TIFF")]
)
def test_folders(tmp_path, shape, form):
    train = save_folder(tmp_path / "data" / "train", 20, shape, form)
    test = save_folder(tmp_path / "data" / "test", 7, shape, form, seed=1)
    (tmp_path / "data" / "train" / ".DS_Store").write_bytes(b"")
    data = open_data(f"folder:{tmp_path / 'data'}")
    check(data.train, *train)
    check(data.test, *test)
    (tmp_path / "data" / "test").rename(tmp_path / "data" / "val")
    check(open_data(f"folder:{tmp_path / 'data'}").test, *test)


def test_images_in_folders_of_a_class(tmp_path):
    x, y = save_folder(tmp_path / "train", 6)
    for name in image_files.CLASSES:
        files = sorted((tmp_path / "train" / name).iterdir())
        (tmp_path / "train" / name / "images").mkdir()
        files[-1].rename(files[-1].parent / "images" / files[-1].name)
    check(open_data(f"folder:{tmp_path}").train, x, y)


def test_a_split_that_is_held_out(tmp_path):
    x, y = save_folder(tmp_path, 30)
    whole = open_data(f"folder:{tmp_path}")
    assert whole.test is None
    check(whole.train, x, y)
    data = open_data(f"folder:{tmp_path}@holdout=0.3,seed=5")
    assert (data.train.m, data.test.m) == (21, 9)
    found = np.concatenate([all_of(data.train)[0], all_of(data.test)[0]])
    assert sorted(image.tobytes() for image in found) == sorted((image / 255).tobytes() for image in x)
    again = open_data(f"folder:{tmp_path}@holdout=0.3,seed=5")
    assert np.array_equal(all_of(again.test)[0], all_of(data.test)[0])
    other = open_data(f"folder:{tmp_path}@holdout=0.3,seed=6")
    assert not np.array_equal(all_of(other.test)[0], all_of(data.test)[0])
    assert "leaves one split empty" in refused(f"folder:{tmp_path}@holdout=0.001,seed=0")
    assert "above 0 and below 1" in refused(f"folder:{tmp_path}@holdout=2,seed=0")
    assert "leave out --holdout" in refused("digits@holdout=0.5,seed=0")


def test_a_damaged_image_is_named_and_counted(tmp_path):
    save_folder(tmp_path / "train", 9)
    files = sorted((tmp_path / "train").rglob("*.png"))
    whole = files[4].read_bytes()
    files[4].write_bytes(whole[:-30])
    message = refused(f"folder:{tmp_path}", SampleError)
    assert (
        str(files[4]) in message
        and "the only such image of 9" in message
        and "never skipped silently" in message
    )
    files[6].write_bytes(b"no image")
    files[7].write_bytes(b"")
    message = refused(f"folder:{tmp_path}", SampleError)
    assert str(files[4]) in message and "the first of 3 such images of 9" in message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("odd.png", encoded(pixels(1, (3, 6, 4))[0][0]), "4 x 6 pixels, where the first image has 4 x 5"),
        ("notes.txt", b"a note", "no image ("),
        ("deep.png", encoded(np.zeros((1, 5, 4), np.uint8)), None),
    ],
)
def test_what_is_unlike_the_others(tmp_path, name, content, said):
    save_folder(tmp_path / "train", 6)
    (tmp_path / "train" / "owl" / name).write_bytes(content)
    if said is None:
        x, _ = all_of(open_data(f"folder:{tmp_path}").train)
        assert np.array_equal(x[-1], np.zeros((3, 5, 4)))
    else:
        assert said in refused(f"folder:{tmp_path}")


def test_folders_that_are_none(tmp_path):
    assert "no such folder" in refused(f"folder:{tmp_path / 'gone'}")
    assert "no folder in it" in refused(f"folder:{tmp_path}")
    (tmp_path / "cat").mkdir()
    assert "a class without an image" in refused(f"folder:{tmp_path}")
    shutil.rmtree(tmp_path / "cat")
    save_folder(tmp_path / "test", 3)
    assert "holds test but no train" in refused(f"folder:{tmp_path}")
    save_folder(tmp_path / "train", 3)
    (tmp_path / "test" / "owl").rename(tmp_path / "test" / "fox")
    assert "a class that train does not have" in refused(f"folder:{tmp_path}")
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(encoded(np.zeros((3, 5, 4), np.uint8)))
    (tmp_path / "train" / "cat" / "a.png").symlink_to(outside)
    assert "points to a file outside the folder" in refused(f"folder:{tmp_path}")


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "CMYK"])
def test_images_of_other_modes(tmp_path, mode):
    from PIL import Image

    save_folder(tmp_path / "train", 6)
    ending = "tiff" if mode == "CMYK" else "png"
    image = Image.new(mode, (4, 5), (9, 9, 9, 9) if len(mode) == 4 and mode != "I;16" else 9)
    image.save(tmp_path / "train" / "owl" / f"z.{ending}")
    message = refused(f"folder:{tmp_path}", SampleError)
    assert "transparent" in message if mode == "RGBA" else f"mode {mode}" in message


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("names", [("image", "label"), ("img", "labels")])
def test_parquet(tmp_path, names, plain):
    x, y = save_parquet(tmp_path / "one.parquet", 11, names=names, plain=plain)
    data = open_data(f"parquet:{tmp_path / 'one.parquet'}")
    check(data.train, x, y)
    assert data.test is None


def test_files_as_the_hub_names_them(tmp_path):
    first = save_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", 7)
    second = save_parquet(tmp_path / "data" / "train-00001-of-00002.parquet", 5, seed=1)
    test = save_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", 6, seed=2)
    train = [np.concatenate(parts) for parts in zip(first, second, strict=True)]
    data = open_data(f"parquet:{tmp_path}")
    check(data.train, *train)
    check(data.test, *test)
    files = ",".join(str(path) for path in sorted((tmp_path / "data").iterdir()))
    check(open_data(f"parquet:{files}").train, *train)
    (tmp_path / "data" / "train-00000-of-00002.parquet").unlink()
    assert "train-00000-of-00002.parquet: missing" in refused(f"parquet:{tmp_path}")


def test_parquet_that_is_none(tmp_path):
    pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "one.parquet"
    assert "no such file" in refused(f"parquet:{path}")
    path.write_bytes(b"PAR1 nothing PAR1")
    assert str(path) in refused(f"parquet:{path}")
    save_parquet(path, names=("picture", "label"))
    assert "no column image or img; its columns are picture, label" in refused(f"parquet:{path}")
    save_parquet(path, 9, row3=b"no image", row7=b"")
    message = refused(f"parquet:{path}", SampleError)
    assert "row 3: no image, or a damaged one, the first of 2 such images of 9" in message
    save_parquet(path, 9, row5=encoded(np.zeros((3, 6, 4), np.uint8)))
    assert "row 5: 4 x 6 pixels, where the first image has 4 x 5" in refused(f"parquet:{path}")
    pyarrow.parquet.write_table(
        pyarrow.table({"image": [encoded(np.zeros((3, 5, 4), np.uint8))], "label": ["cat"]}), path
    )
    assert "column label is string" in refused(f"parquet:{path}")
    pyarrow.parquet.write_table(pyarrow.table({"image": [1.5], "label": [1]}), path)
    assert "not image files" in refused(f"parquet:{path}")
    image = encoded(np.zeros((3, 5, 4), np.uint8))
    pyarrow.parquet.write_table(pyarrow.table({"image": [image, image], "label": [1, -1]}), path)
    assert "row 1: no label" in refused(f"parquet:{path}", SampleError)


def test_a_value_of_a_dictionary_is_not_written_out_for_many_rows(tmp_path):
    content = encoded(np.zeros((3, 5, 4), np.uint8)) + bytes(4 << 20)
    values = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * 300, pyarrow.int32()), pyarrow.array([content])
    )
    table = pyarrow.table({"image": values, "label": [0] * 300})
    path = tmp_path / "bomb.parquet"
    pyarrow.parquet.write_table(
        table, path, compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False
    )
    assert path.stat().st_size < 10_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(all_of(open_data(f"parquet:{path}").train, 300)[1]) == 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_a_report_on_a_folder(tmp_path):
    import torch

    save_folder(tmp_path / "data", 40, (1, 4, 4))
    weights = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    report = boundcalc.analyze(
        {"fc.weight": weights}, data=f"folder:{tmp_path / 'data'}", holdout=0.25, normalize="mnist"
    ).to_dict()
    assert (report["data"]["m"], report["data"]["m_test"]) == (30, 10)
    assert report["data"]["normalize"] == [0.1307, 0.3081]
    assert report["data"]["name"].endswith("@holdout=0.25,seed=0")


def test_forms_that_are_meant(tmp_path):
    save_parquet(tmp_path / "one.parquet")
    assert f"did you mean parquet:{tmp_path / 'one.parquet'}?" in refused(str(tmp_path / "one.parquet"))
    assert f"did you mean parquet:{tmp_path}?" in refused(str(tmp_path))
    save_cifar10(tmp_path / "a" / "cifar-10-batches-py")
    assert f"did you mean cifar10:{tmp_path / 'a'}?" in refused(str(tmp_path / "a"))
    save_folder(tmp_path / "b" / "train")
    assert f"did you mean folder:{tmp_path / 'b'}?" in refused(str(tmp_path / "b"))
