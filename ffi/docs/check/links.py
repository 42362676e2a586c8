"""Each link of the site's pages leads to a file and an anchor that are there.  links.py SITE
Others' sites are not asked."""
import os
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.anchors = [], set()

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if value and (name == "id" or (name == "name" and tag == "a")):
                self.anchors.add(value)
            if value and name in ("href", "src") and not (tag == "link" and "canonical" in dict(attrs).get("rel", "")):
                self.links.append(value)


def main(site):
    pages = {}
    for folder, _, files in os.walk(site):
        for file in files:
            if file.endswith(".html"):
                path = os.path.join(folder, file)
                pages[path] = Page()
                pages[path].feed(open(path, encoding="utf-8").read())
    seen, wrong = 0, []
    for path, page in pages.items():
        for link in page.links:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                continue
            seen += 1
            target = os.path.normpath(os.path.join(os.path.dirname(path), unquote(to.path))) if to.path else path
            if os.path.isdir(target):
                target = os.path.join(target, "index.html")
            if not os.path.exists(target):
                wrong.append(f"{path}: {link}: no such file")
            elif to.fragment == "nested-classes" and f"{os.sep}api{os.sep}" in path:
                continue  # Doxygen announces this section also where it then leaves it out
            elif to.fragment and target in pages and unquote(to.fragment) not in pages[target].anchors:
                wrong.append(f"{path}: {link}: no such anchor")
    print("\n".join(wrong[:40]))
    if wrong or seen < 1000:
        sys.exit(f"{len(wrong)} of {seen} links lead nowhere")
    print(f"{len(pages)} pages, {seen} links")


if __name__ == "__main__":
    main(sys.argv[1])
