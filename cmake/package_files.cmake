# Run by cpack when all is staged: what only a package has.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(prefix ${root}${CPACK_INSTALL_PREFIX})
set(doc ${prefix}/share/doc/bpfport)

# The policy is the administrator's once it is there, so only package managers bring it: they keep a changed one.
if(CPACK_GENERATOR MATCHES "DEB|RPM")
    file(COPY ${CPACK_BPFPORT_PACKAGING}/policy/policy.toml DESTINATION ${root}/etc/bpfport
        FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    file(MAKE_DIRECTORY ${root}/etc/bpfport/policy.d)
    file(GLOB_RECURSE pages ${prefix}/share/man/*.[78])
    execute_process(COMMAND gzip -9nf ${pages} COMMAND_ERROR_IS_FATAL ANY)
endif()
if(CPACK_GENERATOR STREQUAL "DEB")
    file(RENAME ${doc}/LICENSE ${doc}/copyright)
    file(RENAME ${prefix}/share/zsh/site-functions ${prefix}/share/zsh/vendor-completions)
endif()
if(NOT CPACK_BPFPORT_BUNDLE)
    return()
endif()

# DT_RPATH, not DT_RUNPATH: it holds for the libraries of the libraries too.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${prefix}/sbin/bpfport RESOLVED_DEPENDENCIES_VAR libraries
    PRE_EXCLUDE_REGEXES [[^(lib(c|m|dl|rt|pthread|resolv)\.so|ld-)]])
execute_process(COMMAND patchelf --force-rpath --set-rpath $ORIGIN/../lib/bpfport ${prefix}/sbin/bpfport
    COMMAND_ERROR_IS_FATAL ANY)
foreach(library ${libraries})
    get_filename_component(file ${library} REALPATH)
    get_filename_component(name ${library} NAME)
    configure_file(${file} ${prefix}/lib/bpfport/${name} COPYONLY)
    # With its licence, which the package has that it is of.
    get_filename_component(name ${file} NAME)
    execute_process(COMMAND dpkg-query --search */${name} OUTPUT_VARIABLE owner ERROR_QUIET)
    string(REGEX REPLACE "[:,].*" "" owner "${owner}")
    if(NOT owner OR NOT EXISTS /usr/share/doc/${owner}/copyright)
        message(FATAL_ERROR "${name}: no package of this machine has it, so its licence is not known")
    endif()
    configure_file(/usr/share/doc/${owner}/copyright ${doc}/libraries/${owner} COPYONLY)
endforeach()
