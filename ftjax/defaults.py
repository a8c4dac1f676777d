"""All config keys with their defaults, and what each means. configs/*.py start from here."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  """The defaults: full fine-tuning of the starter model; nothing here is meant to surprise."""
  c = ConfigDict()

  c.model = m = ConfigDict()
  m.source = "starter"  # a folder in Hugging Face format, a hub id, or "starter"
  m.revision = ""  # of a hub id
  m.dtype = "float32"  # of the parameters: float32 | bfloat16
  m.compute_dtype = ""  # of the computation; "" = model.dtype
  m.new_tokens = ""  # tokens to add, and what they stand for: "<brand>=our brand's name, <cta>"
  m.new_tokens_only = False  # train their rows and nothing else
  m.pad_vocab_to = 1  # rows of token table and head, a multiple, so that a mesh divides them
  m.matmul = ""  # products of the blocks' linear layers in training: int8 | fp8, "" = in full
  m.quantize = ""  # the blocks' kernels of a base for adapters: int8 | int4 | nf4 (QLoRA)
  m.attention = "auto"  # auto | xla | blocked (for CPUs) | splash (for TPUs) | cudnn (for GPUs)

  c.adapter = a = ConfigDict()
  # none: the parameters themselves are trained | lora | ia3 | prompt | prefix | norms
  a.kind = "none"
  a.rank = 16
  a.alpha = 32.0  # the adapter is scaled by alpha / rank
  a.rslora = False  # by alpha / sqrt(rank)
  a.dora = False  # trains the lengths of the columns as well
  a.dropout = 0.0
  a.init = "default"  # how pairs begin: default | gaussian | pissa | olora
  a.patterns = ""  # other ranks for some layers: "q_proj: rank 4 alpha 8, layers.3: rank 32"
  a.lora_plus = 1.0  # the learning rate of b over that of a
  a.tokens = 16  # virtual tokens of prompt and prefix tuning
  a.targets = "all-linear"  # or names and patterns, separated by commas: "q_proj,embed_tokens"
  a.source = ""  # a PEFT adapter folder to go on from, or several added: "A@0.7, B@0.3"

  c.data = d = ConfigDict()
  d.train = (
    ""  # a path or glob, hf:NAME[:SPLIT], tfds:NAME[:SPLIT], or several: "a.jsonl@0.7, b.jsonl@0.3"
  )
  d.validation = ""  # the same; "" = split some rows off
  d.validation_fraction = (
    -1.0
  )  # of the prompts; -1 = 0.05, or 0 where data.shuffle=False keeps rows as given
  d.format = "auto"  # auto | text | prompt_completion | alpaca | sharegpt | messages | tokens
  d.fields = ConfigDict(dict.fromkeys(FIELDS, ""))  # your column names: data.fields.prompt=brief
  d.separator = "auto"  # between prompt and completion where there is no chat template
  d.template = "auto"  # auto | chat (the checkpoint's own) | plain
  d.max_length = 1024  # tokens in a row
  d.pack = True  # several documents in a row; they never see each other
  d.shuffle = True
  d.overlong = "auto"  # auto (text: split, others: truncate) | error | truncate | drop | split
  d.train_on = "responses"  # responses | all | last (only the last answer of a conversation)

  c.optim = o = ConfigDict()
  o.name = "adamw"  # adamw | schedule_free | lion | sgd | adafactor | muon | apollo
  o.learning_rate = 0.0  # 0 = by the model's size, 2e-3 up to 2M parameters and 2e-5 from 1B on; LoRA ten times
  o.schedule = "cosine"  # constant | linear | cosine
  o.warmup = "5%"
  o.weight_decay = 0.0  # times the learning rate, of matrices and tables; norms, biases and other vectors are left alone
  o.b1 = 0.9
  o.b2 = 0.999
  o.eps = 1e-8
  o.clip = 1.0  # of the gradient's global norm; 0 = none
  o.l2sp = 0.0  # pull towards the weights at the start, decoupled as weight_decay is
  o.ema = 0.0  # decay of an average of the weights, which is then judged and written; 0 = none
  o.layer_decay = 1.0  # each layer's learning rate as a share of the next one's above
  o.rank = 128  # rows of a matrix's moments, for apollo
  o.moments = "float32"  # what Adam's are stored in: float32 | bfloat16 | int8
  o.stochastic_rounding = False  # of weights trained in bfloat16, so that small updates count

  c.train = t = ConfigDict()
  t.duration = "3 epochs"  # "500 steps", "2M tokens": those read, prompts included, padding not
  t.only = (
    ""  # "" = everything; norms, biases, last 2 layers, names of modules; for adapter.kind=none
  )
  t.batch_size = 8  # rows of one micro batch, over all devices
  t.accumulate = 1  # micro batches of one update
  t.remat = "auto"  # what backward recomputes to save memory: none | dots | block | offload; auto = none where that fits, else block
  t.replay = ""  # share of trained tokens from general text: "0.2" (eval.general), "rows.jsonl@0.2"
  t.kl = (
    0.0  # weight of KL(base || model), on replayed tokens where there are any, else on all trained
  )
  t.neftune = 0.0  # alpha of the noise on token vectors; 5 is usual
  t.label_smoothing = 0.0  # share of each target that goes to all tokens alike
  t.interpolate = (
    0  # steps from the base to the tuned model, measured at the end; best/ is the best
  )
  t.seed = 0
  t.log_every = 10  # updates

  c.eval = e = ConfigDict()
  e.every = "1 epoch"
  e.patience = 3  # evaluations without improvement until training stops; 0 = never stop early
  e.min_delta = 0.0  # nats by which the objective must fall to count as an improvement for patience
  e.general = (
    ""  # text not to be forgotten, as data.validation; "" = none (the starter: its own); "none"
  )
  e.objective = (
    "loss"  # what the best has least of: loss | "loss + 0.5 general" (weight of your own)
  )
  e.batch_size = 0  # rows; 0 = train.batch_size
  e.samples = 64  # validation prompts to write for at the end, before and after; 0 = none
  e.max_new_tokens = 128

  c.checkpoint = k = ConfigDict()
  k.every = "1 epoch"
  k.keep = 2  # newest checkpoints kept beside the best

  # Devices along each axis (parallel/mesh.py says what each splits); -1 = what is left.
  c.mesh = ConfigDict(dict(data=-1, fsdp=1, tensor=1, sequence=1, expert=1))

  c.log = ConfigDict(dict(tensorboard=True, wandb=""))  # wandb: a project name
  return c


FIELDS = (
  "text", "prompt", "completion", "instruction", "input", "output", "system", "history", "conversations", "messages",
  "input_ids", "labels",
)  # fmt: skip
