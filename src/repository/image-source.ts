// The images of a repository as the catalog wants to know them.

import type { ImageAnnotation, ImageId, ImageRecord } from "../model/image.ts";
import { listAnnotationNames, readAnnotation } from "./annotations.ts";
import { listImageIds, tryReadImageRecord } from "./images.ts";
import type { RecordPlaces } from "./stored-records.ts";

export interface ImageSource {
  imageIds(): Promise<readonly ImageId[]>;
  readImage(id: ImageId): Promise<ImageRecord | undefined>;
  annotationNames(): Promise<readonly string[]>;
  readAnnotation(name: string): Promise<ImageAnnotation | undefined>;
}

export function imageSource(places: RecordPlaces): ImageSource {
  return {
    imageIds: () => listImageIds(places.volumes),
    readImage: (id) => tryReadImageRecord(places, id),
    annotationNames: () => listAnnotationNames(places.volumes),
    readAnnotation: (name) => readAnnotation(places, name),
  };
}
