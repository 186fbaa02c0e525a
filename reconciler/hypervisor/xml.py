"""Reading and writing libvirt's XML."""

from lxml import etree

from reconciler.errors import HypervisorError

Element = etree._Element  # lxml has no public name for it

_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=False,
    collect_ids=False,  # nothing is looked up by id
)


def parse(text: str) -> Element:
    """The root element; nothing is fetched and no entity is expanded."""
    try:
        return etree.fromstring(text.encode(), _PARSER)
    except etree.XMLSyntaxError as error:
        raise HypervisorError(f"cannot read libvirt's XML: {error}") from error


def written(element: Element) -> str:
    """*element* as text."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


def text_of(element: Element, path: str, default: str = "") -> str:
    """The text of the child at *path*."""
    return element.findtext(path) or default
