# nix-build ffi/packaging/nix: the library of this tree.
{ pkgs ? import <nixpkgs> { }, tls ? true, nats ? false, mimalloc ? false }:

let
  inherit (pkgs) lib;
  root = ../../..;
  manifest = lib.importTOML (root + "/Cargo.toml");
in
pkgs.rustPlatform.buildRustPackage {
  pname = "ringws";
  version = manifest.workspace.package.version;
  src = lib.cleanSource root;
  cargoLock.lockFile = root + "/Cargo.lock";

  nativeBuildInputs = [ pkgs.cmake ];
  dontUseCmakeConfigure = true;

  # One step does both, and says where: the prefix is in no file that it writes.
  buildPhase = ''
    runHook preBuild
    cargo install-ringws --prefix "$out" ${lib.optionalString (!tls) "--no-tls"} \
      ${lib.optionalString nats "--nats"} ${lib.optionalString mimalloc "--mimalloc"}
    runHook postBuild
  '';
  dontInstall = true;
  # The tests want io_uring, which the sandbox may not have.
  doCheck = false;

  meta = {
    description = manifest.workspace.package.description;
    license = with lib.licenses; [ mit asl20 ];
    platforms = [ "x86_64-linux" "aarch64-linux" ];
  };
}
