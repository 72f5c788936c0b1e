import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import {
  bidiIsolates,
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language';
import {
  Annotation,
  Compartment,
  EditorState,
  RangeSet,
  RangeSetBuilder,
  StateEffect,
  StateField,
  type Extension,
} from '@codemirror/state';
import {
  Decoration,
  EditorView,
  gutterLineClass,
  GutterMarker,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';

/** How a line is marked. */
export type Mark = { readonly line: number; readonly kind: 'problem' | 'warning' };

/** What an editor shows. */
export type JsonState = {
  readonly text: string;
  readonly label: string;
  readonly isReadOnly: boolean;
  readonly marks: readonly Mark[];
};

/** An editor in the page. */
export type JsonView = {
  readonly show: (state: JsonState) => void;
  /** Moves the focus and the cursor to the start of a line. */
  readonly goTo: (line: number) => void;
  readonly destroy: () => void;
};

/** Colours come from the page, through the border of the shadow root. */
const THEME = EditorView.theme({
  '&': { background: 'transparent', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    maxHeight: 'var(--json-max-height)',
    fontFamily: 'inherit',
    lineHeight: '1.6',
    overflow: 'auto',
  },
  '.cm-content, .cm-gutter': { minHeight: 'var(--json-min-height)' },
  '.cm-content': { padding: '0.5rem 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 0.75rem' },
  '.cm-gutters': {
    border: '0',
    borderInlineEnd: '1px solid var(--border)',
    background: 'var(--surface-quiet)',
    color: 'var(--ink-quiet)',
  },
  '.cm-lineNumbers .cm-gutterElement': {
    minWidth: '2.5rem',
    padding: '0 0.5rem',
    fontVariantNumeric: 'tabular-nums',
  },
  '.cm-gutterElement.problem, .cm-gutterElement.warning': { fontWeight: '700' },
  '.cm-gutterElement.problem': { color: 'var(--danger)' },
  '.cm-gutterElement.warning': { color: 'var(--warning)' },
  '.cm-gutterElement.problem::before, .cm-gutterElement.warning::before': {
    content: '"! "',
  },
  '.cm-line.problem': { background: 'var(--danger-quiet)' },
  '.cm-line.warning': { background: 'var(--warning-quiet)' },
  '&.cm-focused .cm-matchingBracket': {
    background: 'var(--accent-quiet)',
    outline: '1px solid var(--accent)',
  },
  '.cm-nonmatchingBracket, &.cm-focused .cm-nonmatchingBracket': { background: 'transparent' },
  '.cm-specialChar': { color: 'var(--danger)' },
});

const COLORS = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--syntax-name)' },
  { tag: tags.string, color: 'var(--syntax-string)' },
  { tag: tags.number, color: 'var(--syntax-number)' },
  { tag: [tags.bool, tags.null], color: 'var(--syntax-word)' },
  { tag: [tags.separator, tags.squareBracket, tags.brace], color: 'var(--ink-quiet)' },
]);

class LineMark extends GutterMarker {
  override readonly elementClass: string;

  constructor(kind: Mark['kind']) {
    super();
    this.elementClass = kind;
  }
}

const GUTTER_MARKS = { problem: new LineMark('problem'), warning: new LineMark('warning') };
const LINE_MARKS = {
  problem: Decoration.line({ class: 'problem' }),
  warning: Decoration.line({ class: 'warning' }),
};

const setMarks = StateEffect.define<readonly Mark[]>();

type MarkSets = {
  readonly lines: RangeSet<Decoration>;
  readonly numbers: RangeSet<GutterMarker>;
};

/** The marks of lines move with their text until others are set. */
const marksField = StateField.define<MarkSets>({
  create: () => ({ lines: Decoration.none, numbers: RangeSet.of<GutterMarker>([]) }),
  update: ({ lines, numbers }, { changes, effects, state }) => {
    const effect = effects.find(each => each.is(setMarks));
    if (effect !== undefined) return setsOf(state, effect.value);
    return { lines: lines.map(changes), numbers: numbers.map(changes) };
  },
  provide: field => [
    EditorView.decorations.from(field, ({ lines }) => lines),
    gutterLineClass.from(field, ({ numbers }) => numbers),
  ],
});

const setsOf = ({ doc }: EditorState, marks: readonly Mark[]): MarkSets => {
  const lines = new RangeSetBuilder<Decoration>();
  const numbers = new RangeSetBuilder<GutterMarker>();
  // Ranges must be added in order, and a line has one mark.
  const kinds = new Map(marks.toReversed().map(({ line, kind }) => [line, kind]));
  for (const [line, kind] of [...kinds].toSorted(([a], [b]) => a - b)) {
    if (line > doc.lines) continue;
    const { from } = doc.line(line);
    lines.add(from, from, LINE_MARKS[kind]);
    numbers.add(from, from, GUTTER_MARKS[kind]);
  }
  return { lines: lines.finish(), numbers: numbers.finish() };
};

/** Tab indents. After Escape it moves the focus, until something is typed or the focus returns. */
const TAB_LEAVES_AFTER_ESCAPE: Extension = [
  keymap.of([
    {
      key: 'Escape',
      run: view => {
        view.setTabFocusMode(true);
        return false;
      },
    },
  ]),
  EditorView.domEventHandlers({
    focus: (_, view) => view.setTabFocusMode(false),
  }),
  EditorView.updateListener.of(({ view, docChanged }) => {
    if (docChanged) view.setTabFocusMode(false);
  }),
];

/**
 * Replaces selected text by what is typed. Chromium would keep the look of the selected text in an attribute `style`,
 * which the policy of the page forbids.
 */
const REPLACE_SELECTION = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { inputType, data } = event;
    const { from, to } = selectedIn(view);
    if (inputType !== 'insertText' || data === null || from === to || view.state.readOnly)
      return false;
    const insert = view.state.toText(data);
    const selection = { anchor: from + insert.length };
    view.dispatch({ changes: { from, to, insert }, selection, userEvent: 'input.type' });
    event.preventDefault();
    return true;
  },
});

/** The state of the editor does not have a selection yet that a program, such as a screen reader, has just made. */
const selectedIn = (view: EditorView): { readonly from: number; readonly to: number } => {
  const { root } = view;
  const selection = getSelection();
  const isReadable = selection !== null && 'getComposedRanges' in selection;
  if (!isReadable || !(root instanceof ShadowRoot)) return view.state.selection.main;
  const [range] = selection.getComposedRanges({ shadowRoots: [root] });
  if (range === undefined || !view.contentDOM.contains(range.startContainer))
    return view.state.selection.main;
  return {
    from: view.posAtDOM(range.startContainer, range.startOffset),
    to: view.posAtDOM(range.endContainer, range.endOffset),
  };
};

const EXTENSIONS: Extension = [
  REPLACE_SELECTION,
  TAB_LEAVES_AFTER_ESCAPE,
  history(),
  lineNumbers(),
  // Marks that reverse text are shown as points, and no text reverses what is around it.
  highlightSpecialChars(),
  bidiIsolates(),
  EditorView.contentAttributes.of({ dir: 'ltr', tabindex: '0' }),
  EditorView.lineWrapping,
  indentOnInput(),
  bracketMatching(),
  json(),
  syntaxHighlighting(COLORS),
  THEME,
  marksField,
  keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
];

/** Changes that are not edits. */
const isShown = Annotation.define<boolean>();

type JsonViewOptions = {
  readonly state: JsonState;
  readonly onChange: (text: string) => void;
  /** What describes the editor, outside of its shadow root. */
  readonly descriptions: readonly Element[];
};

/**
 * Returns an editor inside an element. It is in a shadow root, because there its styles need no elements in the page,
 * which the policy of the page forbids.
 */
export const createJsonView = (host: HTMLElement, options: JsonViewOptions): JsonView => {
  const { state, onChange, descriptions } = options;
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const settings = new Compartment();
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: state.text,
      extensions: [
        EXTENSIONS,
        settings.of(settingsOf(state)),
        EditorView.updateListener.of(({ docChanged, transactions, state: { doc } }) => {
          const isEdit = transactions.some(each => each.annotation(isShown) !== true);
          if (docChanged && isEdit) onChange(doc.toString());
        }),
      ],
    }),
  });
  view.contentDOM.ariaDescribedByElements = descriptions;
  return {
    show: next => {
      const { doc } = view.state;
      const changes = doc.toString() === next.text ? [] : replaced(doc.length, next.text);
      view.dispatch({
        changes,
        annotations: isShown.of(true),
        effects: [settings.reconfigure(settingsOf(next)), setMarks.of(next.marks)],
      });
    },
    goTo: line => {
      const { from } = view.state.doc.line(Math.min(line, view.state.doc.lines));
      view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
      view.focus();
    },
    destroy: () => view.destroy(),
  };
};

const replaced = (length: number, text: string) => [{ from: 0, to: length, insert: text }];

const settingsOf = ({ label, isReadOnly, marks }: JsonState): Extension => [
  EditorState.readOnly.of(isReadOnly),
  EditorView.contentAttributes.of({
    'aria-label': label,
    'aria-invalid': String(marks.some(({ kind }) => kind === 'problem')),
  }),
];
