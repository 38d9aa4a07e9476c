"""A small valid configuration for tests, and ways to bend it."""

from __future__ import annotations

from pathlib import Path

FILES: dict[str, str] = {
    "policies/school.yaml": """\
name: {vi: Trường Thử, en: Test School}
code: thu-01
time_zone: Asia/Ho_Chi_Minh
listen: ["127.0.0.1:5300"]
metrics: "127.0.0.1:9953"
workers: 1
networks: [127.0.0.0/8, 10.0.0.0/8, "fd00::/16"]
unknown_client: {tier: tieu-hoc}
upstreams: ["udp://127.0.0.1:5399"]
""",
    "policies/tiers.yaml": """\
categories:
  malware:
    name: {vi: Mã độc, en: Malware}
    text: {vi: Trang này gây hại cho máy., en: This site harms computers.}
    answer: nxdomain
  adult:
    name: {vi: Người lớn, en: Adult}
    text: {vi: Trang này không dành cho học sinh., en: This site is not for pupils.}
  games:
    name: {vi: Trò chơi, en: Games}
    text: {vi: Giờ học không chơi., en: No games in class.}
  streaming:
    name: {vi: Xem phim, en: Streaming}
    text: {vi: Giờ học không xem phim., en: No films in class.}
tiers:
  tieu-hoc:
    name: {vi: Tiểu học, en: Primary}
    grades: 1-5
    pupils: true
    block: [adult, games, streaming]
  thcs:
    name: {vi: Trung học cơ sở, en: Lower secondary}
    grades: 6-9
    pupils: true
    block: [adult, games]
  staff:
    name: {vi: Giáo viên, en: Staff}
    pupils: false
    block: [adult]
""",
    "policies/profiles.yaml": """\
profiles:
  learning:
    name: {vi: Học, en: Learning}
  video:
    name: {vi: Xem phim học, en: Video}
    allow: {services: [youtube]}
  exam:
    name: {vi: Thi, en: Exam}
    allow_list_only: true
    allow: {bundles: [exam-basic], names: [thi.example.vn]}
  offline:
    name: {vi: Ngắt mạng, en: Offline}
    allow_list_only: true
""",
    "policies/classes.yaml": """\
classrooms:
  - {id: 3a, name: 3A, tier: tieu-hoc, subnets: [127.0.31.0/24]}
  - {id: 7-3, name: 7/3, tier: thcs, subnets: [10.7.3.0/24, "fd00:73::/64"], profile: video}
rooms:
  - id: staff-room
    name: Phòng giáo viên
    tier: staff
    subnets: [127.0.200.0/24]
    interfaces: [eth0.200]
""",
    "policies/floor.yaml": """\
categories: [malware]
must_allow: [moet.gov.vn, "=time.example.vn"]
slots:
  - id: abuse-list
    category: malware
    locked: true
    text: {vi: Danh sách chỉ dành cho thành viên., en: Such lists are for members only.}
""",
    "policies/services.yaml": """\
services:
  youtube:
    name: {vi: YouTube, en: YouTube}
    category: streaming
    names: [youtube.com, youtu.be, ytimg.com]
  olm:
    name: {vi: OLM, en: OLM}
    names: [olm.vn]
bundles:
  exam-basic:
    name: {vi: Thi cơ bản, en: Basic exam}
    services: [olm]
""",
    "policies/names.yaml": """\
# The school's own names. Written by hand and by `filterd site`.
allow:
  # the library asked for it
  - {name: vi-du.edu.vn, tiers: [thcs], reason: "Thư viện"}
block:
  - tro-choi.example  # bare names are fine
""",
    "policies/contacts.yaml": """\
contacts:
  - id: tong-dai-111
    name: {vi: Tổng đài 111, en: Child helpline 111}
    phone: "111"
    url: https://tongdai111.vn
    names: [tongdai111.vn]
    owner: {vi: Bộ Y tế, en: Ministry of Health}
    scope: national
    verified_on: 2026-11-01
""",
    "policies/safesearch.yaml": """\
engines:
  tim:
    name: {vi: Tìm, en: Find}
    hosts: [www.tim.example]
    modes: {"on": {cname: safe.tim.example}}
    sources: [https://help.tim.example/safe]
""",
    "policies/local.yaml": """\
zones: []
hosts: {}
records: []
leases: null
""",
    "policies/probes.yaml": """\
must_resolve:
  - id: ministry
    name: {vi: Bộ Giáo dục, en: Ministry of Education}
    names: [moet.gov.vn]
  - id: talk
    name: {vi: Trao đổi, en: Talk}
    names: [zalo.example]
    unless: [games]
must_block:
  - {category: adult, names: [adult.example]}
quality:
  - id: schools
    name: {vi: Trường học, en: Schools}
    names: [truong.example, www.truong.example]
""",
    "blocklists/sources.yaml": """\
sources:
  - id: adult-curated
    name: Adult, curated
    url: file:curated/adult.txt
    format: domains
    category: adult
    licence: MIT
""",
    "blocklists/curated/adult.txt": "adult.example\n",
}


def write(config_dir: Path, **changes: str) -> Path:
    """A valid configuration in `config_dir`; `changes` replace files of policies/ by name (`classes="..."`)."""
    for name, text in FILES.items():
        path = config_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, text in changes.items():
        (config_dir / "policies" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return config_dir


def change(config_dir: Path, file: str, old: str, new: str) -> None:
    """Replace one piece of text that a file has exactly once."""
    path = config_dir / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    path.write_text(text.replace(old, new), encoding="utf-8")
