// What the media room offers: volumes, and how files are published on them.

export { MEDIA_DIRECTORY } from "../formats/volume-label.ts";
export type { VolumeLabel } from "../formats/volume-label.ts";
export { DirectoryVolume, createDirectoryVolume, directoriesOf, openDirectoryVolume } from "./directory-volume.ts";
export type { CreateDirectoryVolumeOptions, OpenDirectoryVolumeOptions } from "./directory-volume.ts";
export {
  TEMPORARY_PREFIX,
  closeQuietly,
  isTemporaryName,
  moveIntoPlace,
  publishByContent,
  publishExclusively,
  publishReplacing,
  removeQuietly,
  setAsideFile,
  temporaryNames,
} from "./publish.ts";
export type { Publication, TemporaryNames } from "./publish.ts";
export type { ContainerDraft, ContainerName, RecordArea, Volume, VolumeId } from "./volume.ts";
