import { Suspense } from 'react';

import { lazyPart } from '../components/part.tsx';

const JsonEditor = lazyPart(async () => (await import('./json-editor.tsx')).JsonEditor);

/** Something that is wrong in a text. */
export type JsonProblem = {
  /** The names and numbers that lead to a field, with dots. Without one, the text is not JSON. */
  readonly path?: string;
  readonly message: string;
};

export type JsonInputProps = {
  readonly label: string;
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly isReadOnly?: boolean;
  readonly problems?: readonly JsonProblem[];
  readonly warnings?: readonly JsonProblem[];
  readonly size: 'small' | 'medium' | 'large';
};

/** An input of JSON. The text can be read while the editor is loaded. */
export const JsonInput = (props: JsonInputProps) => (
  <Suspense
    fallback={
      <div className="json-input" aria-busy="true">
        <pre className="json-editor code" data-size={props.size} tabIndex={0} dir="ltr">
          {props.text}
        </pre>
      </div>
    }
  >
    <JsonEditor {...props} />
  </Suspense>
);
