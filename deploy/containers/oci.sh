# shellcheck shell=bash
# OCI images out of a directory, byte for byte the same each time. Needs common.sh.

sha256() { sha256sum "$1" | cut -d' ' -f1; }

image_reference() { echo "${image_prefix:?}-$1:${image_tag:?}"; }

image_created() { date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ; }

# pack_layer ROOT FILE: sorted, numeric owners, no time younger than SOURCE_DATE_EPOCH.
pack_layer() {
  tar --create --file "$2" --directory "$1" --sort=name --numeric-owner --format=posix \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
    --xattrs --xattrs-include='security.capability' --clamp-mtime --mtime="@$SOURCE_DATE_EPOCH" \
    --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' .
}

# sbom IMAGE < `package version` lines: SPDX 2.3.
sbom() {
  jq -Rn --arg image "$1" --arg reference "$(image_reference "$1")" --arg created "$(image_created)" \
    --arg arch "$(dpkg --print-architecture)" '
    [inputs | split(" ") | {name: (.[0] | sub(":.*"; "")), version: .[1]}] as $packages |
    def id: gsub("[^A-Za-z0-9.-]"; "-");
    {spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: $reference,
     documentNamespace: ("urn:paddock:sbom:" + $reference),
     creationInfo: {created: $created, creators: ["Tool: deploy/containers/build"]},
     packages: ([{name: ("paddock-" + $image), SPDXID: "SPDXRef-image", downloadLocation: "NOASSERTION",
                  filesAnalyzed: false}] +
       [$packages[] | {name, SPDXID: ("SPDXRef-" + (.name | id)), versionInfo: .version,
         supplier: "Organization: Debian", downloadLocation: "NOASSERTION", filesAnalyzed: false,
         externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
           referenceLocator: "pkg:deb/debian/\(.name)@\(.version | @uri)?arch=\($arch)"}]}]),
     relationships: ([{spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES",
                       relatedSpdxElement: "SPDXRef-image"}] +
       [$packages[] | {spdxElementId: "SPDXRef-image", relationshipType: "CONTAINS",
         relatedSpdxElement: ("SPDXRef-" + (.name | id))}])}'
}

# image_config IMAGE DIFF_ID SETTINGS (OCI `config` as JSON)
image_config() {
  jq -cSn --arg image "$1" --arg diff "sha256:$2" --argjson settings "$3" \
    --arg created "$(image_created)" --arg version "$image_tag" \
    --arg revision "${PADDOCK_IMAGE_REVISION:-$(git -C "$PADDOCK_REPO" rev-parse HEAD)}" \
    --arg arch "$(dpkg --print-architecture)" '
    {created: $created, architecture: $arch, os: "linux",
     config: ($settings + {Labels: {
       "org.opencontainers.image.title": ("paddock-" + $image),
       "org.opencontainers.image.version": $version,
       "org.opencontainers.image.revision": $revision,
       "org.opencontainers.image.created": $created,
       "org.opencontainers.image.base.name": "debian:bookworm",
       "org.opencontainers.image.description": "Paddock: cloud environments for agents"}}),
     rootfs: {type: "layers", diff_ids: [$diff]},
     history: [{created: $created, created_by: "deploy/containers/build"}]}'
}

blob() {
  local digest
  digest=$(sha256 "$2")
  mv "$2" "$1/blobs/sha256/$digest"
  echo "$digest"
}

# pack_image IMAGE ROOT SETTINGS ARCHIVE: an OCI layout in a tar, and ARCHIVE's .digest.
pack_image() {
  local image=$1 root=$2 settings=$3 archive=$4 work diff layer config manifest
  local media=application/vnd.oci.image
  work=$(mktemp -d "${archive%/*}/.packing.XXXXXX")
  mkdir -p "$work/blobs/sha256"
  pack_layer "$root" "$work/layer.tar"
  diff=$(sha256 "$work/layer.tar")
  gzip -n -6 "$work/layer.tar"
  local -i layer_size config_size manifest_size
  layer_size=$(stat -c %s "$work/layer.tar.gz")
  layer=$(blob "$work" "$work/layer.tar.gz")
  image_config "$image" "$diff" "$settings" >"$work/config"
  config_size=$(stat -c %s "$work/config")
  config=$(blob "$work" "$work/config")
  jq -cSn --arg media "$media" --arg config "sha256:$config" --argjson config_size "$config_size" \
    --arg layer "sha256:$layer" --argjson layer_size "$layer_size" '
    {schemaVersion: 2, mediaType: ($media + ".manifest.v1+json"),
     config: {mediaType: ($media + ".config.v1+json"), digest: $config, size: $config_size},
     layers: [{mediaType: ($media + ".layer.v1.tar+gzip"), digest: $layer, size: $layer_size}]}' \
    >"$work/manifest"
  manifest_size=$(stat -c %s "$work/manifest")
  manifest=$(blob "$work" "$work/manifest")
  jq -cSn --arg media "$media" --arg digest "sha256:$manifest" --argjson size "$manifest_size" \
    --arg name "$(image_reference "$image")" --arg tag "$image_tag" '
    {schemaVersion: 2, mediaType: ($media + ".index.v1+json"),
     manifests: [{mediaType: ($media + ".manifest.v1+json"), digest: $digest, size: $size,
       annotations: {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": $tag}}]}' \
    >"$work/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  tar --create --file "$archive.new" --directory "$work" --sort=name --numeric-owner --owner=0 \
    --group=0 --mode=go=rX,u+rw --mtime="@$SOURCE_DATE_EPOCH" --format=ustar blobs index.json oci-layout
  rm -rf "$work"
  mv "$archive.new" "$archive"
  echo "sha256:$manifest" >"${archive%.tar}.digest"
}
