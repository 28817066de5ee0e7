"""Make assets/samples: pictures taken from packages that carry them, and drawings made here.

Whether a picture is named right is measured with EfficientNet-B0, which must be there. The packages scikit-image and
scikit-learn must be installed; PACKAGES is a folder with two of Debian's, unpacked:

    apt-get download gcompris-qt-data openclipart-png
    for package in *.deb; do dpkg-deb -x "$package" PACKAGES; done
    PYTHONPATH=. python assets/make_samples.py PACKAGES
"""

import json
import math
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

from drawings import golf_ball, parachute
from PIL import Image, ImageOps

from attention import analysis, images
from attention.models import Network, zoo
from attention.observe import observe, read_picture

SAMPLES = Path(__file__).parent / "samples"
LONGEST_SIDE = 640
NAMES_THEM = "efficientnet-b0"
COMMONS = "https://commons.wikimedia.org/wiki/File:"
GCOMPRIS = "gcompris/src/activities/"

# (package, place in it): name of the file made of it, title, author, where the package has it from, licence
TAKEN = {
    ("gcompris-qt-data", GCOMPRIS + "explore_world_animals/resource/animals/panda.webp"): (
        "panda.jpg",
        "Giant panda",
        "Jeff Kubina",
        COMMONS + "Giant_Panda_2004-03-2.jpg",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_monuments/resource/france/reimsCathedral.webp"): (
        "cathedral.jpg",
        "Reims cathedral",
        "Mattana",
        COMMONS + "Reims_Cathedrale_Notre_Dame_002_chevet.JPG",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "categorization/resource/images/fishes/fish8.webp"): (
        "salmon.jpg",
        "Salmon",
        "U.S. National Oceanic and Atmospheric Administration",
        COMMONS + "Atlantischer_Lachs.jpg",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_farm_animals/resource/animals/dog.webp"): (
        "dog.jpg",
        "Dog",
        "Hans Kemperman",
        COMMONS + "German-shepherd-4040871920._(2).jpg",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_monuments/resource/germany/wormsCathedral.webp"): (
        "model.jpg",
        "Worms cathedral and its model",
        "Immanuel Giel",
        COMMONS + "Dommodell_Worms_04.jpg",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_world_music/resource/music/orchestra.webp"): (
        "orchestra.jpg",
        "Orchestra",
        "ABC Informática",
        COMMONS + "Orchestra_of_the_18th_Century.jpg",
        "Public domain",
    ),
    ("openclipart-png", "usr/share/openclipart/png/recreation/music/french_horn_ganson.png"): (
        "horn.jpg",
        "French horn (drawing)",
        "ganson",
        "Open Clip Art Library",
        "Public domain",
    ),
    ("scikit-learn", "datasets/images/china.jpg"): (
        "temple.jpg",
        "Temple in China",
        "danielbuechele",
        "https://www.flickr.com/photos/danielbuechele/6061409035",
        "CC BY 2.0",
    ),
    ("scikit-image", "data/rocket.jpg"): (
        "rocket.jpg",
        "Rocket on its launch pad",
        "SpaceX",
        "https://www.flickr.com/photos/spacexphotos/16511594820",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_farm_animals/resource/animals/cow.webp"): (
        "cow.jpg",
        "Cow",
        "Dohduhdah",
        COMMONS + "Cow-IMG_2050.JPG",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "erase/resource/kingfisher.webp"): (
        "kingfisher.jpg",
        "Kingfisher",
        "Frank-2.0",
        COMMONS + "Eisvogel_kingfisher.jpg",
        "CC0 1.0",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_world_animals/resource/animals/scarlet_macaw.webp"): (
        "macaw.jpg",
        "Scarlet macaw",
        "Dcoetzee",
        COMMONS + "Scarlet_macaw_at_Cougar_Mountain_Zoological_Park.jpg",
        "CC0 1.0",
    ),
    ("gcompris-qt-data", GCOMPRIS + "erase/resource/crab.webp"): (
        "crab.jpg",
        "Crab",
        "Nosferattus",
        COMMONS + "Sally_Lightfoot_Crab_2019.jpg",
        "CC0 1.0",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_world_animals/resource/animals/giraffe.webp"): (
        "giraffes.jpg",
        "Giraffes",
        "Mike and Lara Wolfe",
        COMMONS + "Giraffe_courtship_(25657342808).jpg",
        "CC0 1.0",
    ),
    ("gcompris-qt-data", GCOMPRIS + "categorization/resource/images/fishes/fish9.webp"): (
        "clownfish.jpg",
        "Clownfish",
        "Jan Derk",
        COMMONS + "Common_clownfish.jpg",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_monuments/resource/germany/brandenburgGate.webp"): (
        "gate.jpg",
        "Brandenburg Gate and its square",
        "Evans1551",
        COMMONS + "Brandenburg_Gate_(summer_2005).JPG",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_world_music/resource/music/mexico.webp"): (
        "mariachi.jpg",
        "Mariachi",
        "Elidealista",
        COMMONS + "Wikipedia_10_Guadalajara_-_Mariachi.jpg",
        "CC0 1.0",
    ),
    ("gcompris-qt-data", GCOMPRIS + "explore_world_music/resource/music/america.webp"): (
        "drums.jpg",
        "Drums, a guitar and more",
        "Tom Harpel",
        COMMONS + "Onalaska-Practice6.jpg",
        "CC BY 2.0",
    ),
    ("gcompris-qt-data", GCOMPRIS + "categorization/resource/images/others/baseball.webp"): (
        "baseball.jpg",
        "Baseball",
        "Cody escadron delta",
        COMMONS + "Baseball_ball.jpg",
        "Public domain",
    ),
    ("gcompris-qt-data", GCOMPRIS + "categorization/resource/images/others/pan.webp"): (
        "pan.jpg",
        "Frying pan",
        "Suricata",
        COMMONS + "Pfanne_(Gusseisen).jpg",
        "Public domain",
    ),
    ("scikit-image", "data/astronaut.png"): (
        "astronaut.jpg",
        "Astronaut",
        "NASA",
        "https://flic.kr/p/r9qvLn",
        "Public domain",
    ),
    ("scikit-image", "data/chelsea.png"): ("cat.jpg", "Cat", "Stefan van der Walt", "scikit-image", "CC0 1.0"),
    ("scikit-image", "data/coffee.png"): ("coffee.jpg", "Coffee", "Rachel Michetti", "scikit-image", "CC0 1.0"),
}
DRAWN = {
    "golf-ball.jpg": ("Golf ball (drawing)", golf_ball),
    "parachute.jpg": ("Parachute (drawing)", parachute),
}

# What is right to say of a picture, out of ImageNet's 1,000 classes; a picture without is of none of them.
SHOWS = {
    "cathedral.jpg": ["church"],
    "salmon.jpg": ["coho"],
    "dog.jpg": ["German shepherd"],
    "model.jpg": ["church"],
    "horn.jpg": ["French horn"],
    "cow.jpg": ["ox"],
    "panda.jpg": ["giant panda"],
    "macaw.jpg": ["macaw"],
    "crab.jpg": ["rock crab"],
    "clownfish.jpg": ["anemone fish"],
    "gate.jpg": ["triumphal arch"],
    "mariachi.jpg": ["cornet", "acoustic guitar", "violin"],
    "drums.jpg": ["drum", "electric guitar"],
    "baseball.jpg": ["baseball"],
    "pan.jpg": ["frying pan"],
    "cat.jpg": ["tabby"],
    "coffee.jpg": ["espresso", "cup"],
    "golf-ball.jpg": ["golf ball"],
    "parachute.jpg": ["parachute"],
}


def main(packages: Path) -> None:
    """Write every picture, samples.json with whose it is and what it shows, and all of them small in one file."""
    SAMPLES.mkdir(exist_ok=True)
    records = {}
    for (package, place), (file, title, author, origin, licence) in TAKEN.items():
        changes = save(Image.open(locate(packages, package, place)), file)
        source = f"{package}, {place.removeprefix('usr/share/')}; {origin}"
        records[file] = {"title": title, "author": author, "source": source, "licence": licence, "changes": changes}
    for file, (title, draw) in DRAWN.items():
        save(draw(), file)
        source = f"assets/drawings.py, {draw.__name__}"
        facts = {"author": "Gatescope", "source": source, "licence": "CC0 1.0", "changes": "none"}
        records[file] = {"title": title} | facts
    network = zoo.load(NAMES_THEM)
    for file, record in records.items():
        record["shows"] = SHOWS.get(file, [])
        record["named"] = first_guess(network, SAMPLES / file) in record["shows"]
    draw_thumbnails(list(records))
    text = json.dumps(records, indent=2, ensure_ascii=False)
    (SAMPLES / "samples.json").write_text(text + "\n", encoding="utf-8")


def save(picture: Image.Image, file: str) -> str:
    """Write it as a JPEG of 640 pixels at most; what was changed, in words."""
    changes = [f"from {picture.format} to JPEG"]
    if max(picture.size) > LONGEST_SIDE:
        changes.append(f"scaled down from {picture.width} x {picture.height} pixels")
    if picture.has_transparency_data:
        changes.append("put on white")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        picture = white
    small = picture.convert("RGB")
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    small.save(SAMPLES / file, quality=88, optimize=True)
    return ", ".join(changes)


def first_guess(network: Network, file: Path) -> str:
    observation = observe(network, read_picture(file))
    return analysis.top(observation.probabilities, observation.labels, 1)[0][0]


def draw_thumbnails(files: list[str]) -> None:
    """The central part of each picture, row by row, in one file: a browser cuts them out."""
    width, height = images.THUMBNAIL
    across = images.ACROSS
    sheet = Image.new("RGB", (across * width, math.ceil(len(files) / across) * height))
    for number, file in enumerate(files):
        small = ImageOps.fit(Image.open(SAMPLES / file), images.THUMBNAIL, Image.Resampling.LANCZOS)
        sheet.paste(small, (number % across * width, number // across * height))
    sheet.save(SAMPLES.parent / "thumbnails.webp", quality=70, method=6)


def locate(packages: Path, package: str, place: str) -> Path:
    """The file of a package: of an installed Python package, or of an unpacked Debian one."""
    modules = {"scikit-image": "skimage", "scikit-learn": "sklearn"}
    if package in modules:
        spec = find_spec(modules[package])
        return Path(spec.submodule_search_locations[0]) / place
    if package == "openclipart-png":
        return packages / place
    activity = place.removeprefix(GCOMPRIS).split("/")[0]
    path = packages / "unpacked" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    archive = (packages / f"usr/share/gcompris-qt/rcc/{activity}.rcc").read_bytes()
    path.write_bytes(resource(archive, place))
    return path


def resource(archive: bytes, place: str) -> bytes:
    """One uncompressed file of a binary Qt resource collection (.rcc, format version 2 or 3)."""
    version, tree, data, names = struct.unpack(">4I", archive[4:20])
    if archive[:4] != b"qres" or version < 2:
        raise ValueError("not a Qt resource collection of version 2 or 3")
    count, first = struct.unpack(">2I", archive[tree + 6 : tree + 14])
    for part in place.split("/"):
        nodes = [tree + 22 * number for number in range(first, first + count)]
        node = next(node for node in nodes if _name(archive, names, node) == part)
        flags, count, first = struct.unpack(">H2I", archive[node + 4 : node + 14])
    if flags:
        raise ValueError(f"{place} is compressed")
    (size,) = struct.unpack(">I", archive[data + first : data + first + 4])
    return archive[data + first + 4 : data + first + 4 + size]


def _name(archive: bytes, names: int, node: int) -> str:
    (offset,) = struct.unpack(">I", archive[node : node + 4])
    (length,) = struct.unpack(">H", archive[names + offset : names + offset + 2])
    start = names + offset + 6
    return archive[start : start + 2 * length].decode("utf-16-be")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
