"""The one door to libvirt and qemu-img, tried on recorded XML, real files and real guests."""
