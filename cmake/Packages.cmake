# `cpack -G DEB`, `cpack -G RPM` and `cpack -G TGZ` in the directory of a build: docs/install.md.
#
# A .deb or .rpm depends on the libraries of the release that it is built on. With -D CPACK_BPFPORT_BUNDLE=ON, and in an
# archive always, it has its own copies of all but glibc in lib/bpfport, so that one package serves several releases and
# distributions. (Copies, because Debian has no static library of some of them.)
set(CPACK_PACKAGE_NAME bpfport)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Lets a program be reached on a privileged port without root, proxy or conntrack")
set(CPACK_PACKAGE_DESCRIPTION "The program stays on a port such as 3000, as the user it runs as, and eBPF programs of the kernel
deliver to it what arrives for port 80, for IPv4, IPv6 and clients of the machine itself. Programs may also be
granted ports below 1024, exactly those, without any privilege.")
set(CPACK_PACKAGE_VENDOR bpfport)
set(CPACK_PACKAGE_CONTACT "bpfport <root@localhost>" CACHE STRING "Maintainer of the packages: NAME <ADDRESS>")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_SYSTEM_NAME linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
# Files are staged as they are installed: units name the program where it will be.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_files.cmake)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/package_options.cmake)
set(packaging ${PROJECT_SOURCE_DIR}/packaging)
set(CPACK_BPFPORT_PACKAGING ${packaging})

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/debian/conffiles ${packaging}/debian/postinst
    ${packaging}/debian/prerm ${packaging}/debian/postrm)

set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE "GPL-2.0 OR BSD-2-Clause")
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${packaging}/rpm/post.sh)
set(CPACK_RPM_PRE_UNINSTALL_SCRIPT_FILE ${packaging}/rpm/preun.sh)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${packaging}/rpm/postun.sh)
set(CPACK_RPM_USER_FILELIST "%config(noreplace) /etc/bpfport/policy.toml")
# Directories of the system, which are not this package's.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /etc /usr/sbin /usr/lib/systemd /usr/lib/systemd/system
    /usr/share/man /usr/share/man/man7 /usr/share/man/man8 /usr/share/bash-completion /usr/share/bash-completion/completions
    /usr/share/fish /usr/share/fish/vendor_completions.d /usr/share/zsh /usr/share/zsh/site-functions)
include(CPack)
