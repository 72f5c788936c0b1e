import { isJsonObject, type JsonObject, type JsonValue } from '@pennon/schema';

/** Returns the object in a field, or an empty one. */
export const objectIn = (parent: JsonObject, field: string): JsonObject => {
  const child = parent[field];
  return isJsonObject(child) ? child : {};
};

/** Replaces every object in the fields of another object. */
export const mapObject = (
  parent: JsonObject,
  replace: (name: string, child: JsonObject) => JsonValue,
): JsonObject =>
  Object.fromEntries(
    Object.entries(parent).map(([name, child]) => [
      name,
      isJsonObject(child) ? replace(name, child) : child,
    ]),
  );
