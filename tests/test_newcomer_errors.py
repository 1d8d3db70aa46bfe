"""A newcomer's problems: one sentence names what happened, another says what to do."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from blocked import LOCAL, without
from local_http import served
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from plain_http import plain
from scripted_server import refusal, scripted

import realtime_nb as rt
from realtime_nb.loop import submit

KEY = "sk-proj-WRONG0123456789abcdefgh"
ABSENT = '{"error": {"message": "The model \'gpt-9\' does not exist.", "code": "model_not_found", "param": "model"}}'
KERNELS = Path(__file__).parents[1] / ".kernels" / "share" / "jupyter"
#: A cure begins with what to do.
VERBS = "add allow annotate ask await check choose connect convert give leave open pip plug raise record run set"


@pytest.fixture(autouse=True)
def newcomer(tmp_path, monkeypatch):
    """An empty folder, no key, and a little audio."""
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "REALTIME_NB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    rt.AudioClip(0.1 * np.ones(4800, np.float32), 24_000).save("question.wav")
    Path("notes.txt").write_text("Not a sound.")
    Path("clips.csv").write_text("name,audio_path\none,question.wav\n")
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("Two years of work.")


def local(**options):
    return rt.RealtimeSession(backend="local", **options)


def key_missing():
    rt.RealtimeSession(backend="openai")


def key_wrong():
    with served() as server:
        rt.RealtimeSession(backend=server.url, api_key=KEY).connect().result(30)


def backend_mistyped():
    rt.RealtimeSession(backend="opneai")


def nobody_there():
    rt.RealtimeSession(backend="http://127.0.0.1:9/v1").connect().result(30)


def file_missing():
    rt.AudioClip.from_file("questoin.wav")


def file_no_audio():
    rt.AudioClip.from_file("notes.txt")


def clip_empty():
    local().ask(rt.AudioClip(np.zeros(0, np.float32), 24_000))


def clip_silent():
    local().ask(rt.AudioClip(np.zeros(24_000, np.float32), 24_000))


def path_as_words():
    local().ask("question.wav")


def words_as_clip():
    rt.compare([local()], ["What time is it?"])


def voice_unknown():
    with local(voice="darth") as session:
        session.ask("Hello!").result(30)


def model_unknown():
    with scripted(process_request=refusal(404, ABSENT)) as address:
        rt.RealtimeSession(backend=address, model="gpt-9").connect().result(30)


def chat_model_unknown():
    with plain({"/v1/chat/completions": (404, ABSENT)}) as address:
        rt.ChatSession(backend=address, model="gpt-9").ask("Hello!").result(30)


def setting_mistyped():
    local(voise="marin")


def await_forgotten():
    with local() as session:
        print(session.ask("Hello!").transcript)


def result_in_a_coroutine():
    async def ask():
        return local().ask("Hello!").result()

    submit(ask()).result(30)


def session_closed():
    local().commit().result(30)


def tool_without_annotations():
    def order_status(order):
        """Return where an order is."""
        return "on its way"

    local(tools=[order_status])


def budget_reached():
    with local(max_minutes=1e-6) as session:
        session.ask("Hello!").result(30)


def recording_folder_taken():
    local(recording="full")


def recording_missing():
    rt.Recording.load("full")


def column_missing():
    rt.Dataset.from_csv("clips.csv")


def panel_of_a_chat():
    rt.VoicePanel(rt.ChatSession(backend="local"))


def model_not_local():
    local(model="gpt-9")


def text_model_not_local():
    rt.CascadeSession(backend="local", text_model="gpt-realtme-2.1")


def file_as_samples():
    rt.AudioClip("question.wav")


def samples_asked():
    local().ask(np.zeros(24_000, np.float32))


def stereo_asked():
    local().ask(np.zeros((24_000, 2), np.float32))


def language_spoken():
    rt.speak("Hola", language="es")


def temperature_set():
    local(temperature=0.8)


def temperature_of_a_chat():
    rt.ChatSession(backend="local", temperature=0.8)


def model_of_a_chain():
    rt.CascadeSession(backend="local", text_modell="local-rules")


def language_of_a_session():
    local(language="es")


def beta_setting():
    local(input_audio_transcription={"model": "whisper-1"})


#: Who provokes it, what was wrong (the value by name), what to do; as they stand in the text, one after the other.
PROBLEMS = [
    (key_missing, r"the openai backend needs an API key", r"set OPENAI_API_KEY, pass api_key=…, or talk .*"),
    (
        key_wrong,
        r"Incorrect API key provided\. \[invalid_api_key\]",
        r"check the key \(REALTIME_NB_API_KEY, or api_key=…\); it was refused",
    ),
    (backend_mistyped, r"backend='opneai' is not known", r'give "openai", "azure", "local" or an address .*'),
    (nobody_there, r"127\.0\.0\.1:9 cannot be reached \(.*\)", r"check the address .*"),
    (file_missing, r"'questoin\.wav' is not a file", r"give 'question\.wav', if you mean that"),
    (file_no_audio, r"'notes\.txt' is not audio that libsndfile can read .*", r"convert it to WAV, .*"),
    (clip_empty, r"the clip is 0 ms long", r"record or load more, as the API takes 100 ms or more"),
    (clip_silent, r"the clip is silent from end to end", r"check the file, or run realtime_nb\.doctor\(\)"),
    (path_as_words, r"'question\.wav' is a text, not a clip", r"give AudioClip\.from_file\('question\.wav'\), .*"),
    (words_as_clip, r"'What time is it\?' is a text, not a clip", r"give AudioClip\.from_file\(.*, or speak.*"),
    (voice_unknown, r"Invalid value .*'darth' is not one of alloy, .*", r"choose another voice \(voice=…\)"),
    (model_unknown, r"The model 'gpt-9' does not exist\..*", r"choose a model .*\(model=…\)"),
    (chat_model_unknown, r"The model 'gpt-9' does not exist\..*", r"choose a model .*\(model=…\)"),
    (setting_mistyped, r"'voise' is not a session setting", r"give voice=…"),
    (model_not_local, r"model='gpt-9' is not a model that the local voice knows", r"choose '.*', or no model; .*"),
    (text_model_not_local, r"model='gpt-realtme-2\.1' is not .*", r"choose 'gpt-realtime-2\.1', or no model; .*"),
    (file_as_samples, r"'question\.wav' is not an array of samples", r"give AudioClip\.from_file\('question\.wav'\)"),
    (
        samples_asked,
        r"an array of shape \(24000,\) is not a picture",
        r"give AudioClip\(array, sample_rate\) for sound",
    ),
    (
        stereo_asked,
        r"an array of shape \(24000, 2\) is not a picture",
        r"give AudioClip.*, after averaging its channels",
    ),
    (language_spoken, r"language='es' is not spoken by the local voice, which .*", r"ask a session .*"),
    (temperature_set, r"'temperature' is not a session setting", r"leave it out, as the Realtime API .*"),
    (temperature_of_a_chat, r"'temperature' is not a session setting", r"leave it out, as the Realtime API .*"),
    (model_of_a_chain, r"'text_modell' is not a session setting", r"give text_model=…"),
    (language_of_a_session, r"'language' is not a session setting", r'give transcription=\{"model": …, "lang.*'),
    (beta_setting, r"'input_audio_transcription' is not a session setting", r"give transcription=…"),
    (await_forgotten, r"a result that was not waited for has no 'transcript'", r"await it, or call \.result\(\).*"),
    (result_in_a_coroutine, r"result\(\) would stop the I/O thread that it waits for", r"await it instead"),
    (session_closed, r"cannot commit audio while the session is closed", r"connect it first"),
    (tool_without_annotations, r"order_status\(\) does not say what 'order' is", r"annotate it, e\.g\. order: str"),
    (budget_reached, r"stopped: [\d.e-]+ of 1e-06 minutes are used", r"to go on, raise session\.bounds\..*"),
    (recording_folder_taken, r"'.*full' holds other files", r"choose a new folder"),
    (recording_missing, r"'full' is not a recording, because events\.jsonl cannot be .*", r"give the folder that .*"),
    (panel_of_a_chat, r"ChatSession cannot take live sound", r"give a RealtimeSession, or ask .*"),
    (column_missing, r"'clips\.csv', line 1: there is no column example_id among name, audio_path", r"add it, .*"),
]


@pytest.mark.parametrize(("provoke", "cause", "cure"), PROBLEMS, ids=[provoke.__name__ for provoke, *_ in PROBLEMS])
def test_a_problem_is_told_as_one_cause_and_one_cure(provoke, cause, cure, capsys):
    with pytest.raises(Exception) as raised:
        provoke()
    check_text(str(raised.value), cause, cure)


def check_text(text, cause, cure):
    told = re.fullmatch(rf"({cause})(?:: |; )({cure})", text)
    assert told, text
    assert told[2].removeprefix("to go on, ").split()[0] in VERBS.split()
    assert "\n" not in text and len(text) < 500
    assert KEY not in text


def in_a_terminal(*arguments):
    """Return the last line that a command says."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode
    return done.stderr.strip().splitlines()[-1]


def test_a_missing_extra_says_so(tmp_path, monkeypatch):
    (tmp_path / "blocked").mkdir()
    without(monkeypatch, tmp_path / "blocked", *LOCAL)
    text = in_a_terminal("-c", "import realtime_nb as rt; rt.RealtimeSession().connect().result()")
    check_text(
        text.partition(": ")[2],
        r"the local voice is not installed \(ModuleNotFoundError: No module named '\w+'\)",
        r"run  pip install 'realtime-nb\[local\]'",
    )


def test_a_port_in_use_says_so():
    with served() as server:
        port = server.url.rpartition(":")[2].partition("/")[0]
        text = in_a_terminal("-m", "realtime_nb.cli.main", "serve", "--port", port)
    check_text(
        text.partition("error: ")[2],
        rf"cannot listen on host='127\.0\.0\.1', port={port} \(.*in use.*\)",
        r"choose another port, or 0 for a free one",
    )


def test_a_kernel_that_is_too_old_says_so(monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(KERNELS))
    ask = "(kernel,) = [check for check in rt.doctor('local').checkup.checks if check.name == 'kernel']"
    cell = f"import realtime_nb as rt\n{ask}\nprint(f'{{kernel.said}}: {{kernel.fix}}')"
    notebook = new_notebook(cells=[new_code_cell(cell)])
    NotebookClient(notebook, timeout=90, kernel_name="ipykernel-6.30.1").execute()
    check_text(
        notebook.cells[0].outputs[0]["text"].strip(),
        r"ipykernel 6\.30\.1 handles no widget messages while a cell runs: buttons wait for its end",
        r"pip install -U 'ipykernel>=7\.4', then restart the kernel",
    )
